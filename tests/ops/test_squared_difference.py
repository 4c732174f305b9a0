"""SQUARED_DIFFERENCE against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, binary, broadcasting, scales, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def test_c_equals_tflm() -> None:
    assert_exact(broadcasting("SQUARED_DIFFERENCE", (0.05, 0.04, 0.09), 0))


@settings(max_examples=30)
@given(
    first=scales(1e-3, 1),
    second=scales(1e-3, 1),
    output=scales(1.0, 500.0),
    zeros=st.tuples(zero_points, zero_points, zero_points),
)
def test_all_pairs_of_inputs(
    first: float, second: float, output: float, zeros: tuple[int, int, int]
) -> None:
    assert_all_inputs(
        binary(
            "SQUARED_DIFFERENCE",
            scales=(first, second, max(first, second) ** 2 * output),
            zero_points=zeros,
        )
    )


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            binary("SQUARED_DIFFERENCE", ((2, 3), (3, 2)), output_shape=(2, 3)),
            "its shape is [2, 3], but the inputs have the shapes [2, 3] and [3, 2]",
        ),
        (binary("SQUARED_DIFFERENCE", ((1,) * 7, (1,))), "it has 7 dimensions"),
        (binary("SQUARED_DIFFERENCE", scales=(1.0, 1.0, 1e-6)), "too large for 32-bit arithmetic"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SQUARED_DIFFERENCE") as caught:
        read_graph(model)
    assert problem in caught.value.problem
