"""SUB against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, binary, broadcasting, scales, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


@pytest.mark.parametrize("activation", [0, 3])
def test_c_equals_tflm(activation: int) -> None:
    assert_exact(broadcasting("SUB", (0.05, 0.04, 0.09), activation))


@settings(max_examples=30)
@given(
    first=scales(1e-3, 1),
    second=scales(1e-3, 1),
    output=scales(1e-3, 1),
    zeros=st.tuples(zero_points, zero_points, zero_points),
    activation=st.sampled_from([0, 1, 2, 3]),
)
def test_all_pairs_of_inputs(
    first: float, second: float, output: float, zeros: tuple[int, int, int], activation: int
) -> None:
    assert_all_inputs(
        binary("SUB", scales=(first, second, output), zero_points=zeros, activation=activation)
    )


def test_divides_scales_in_double() -> None:
    """With float32 ratios, some of these pairs would have different results."""
    assert_all_inputs(binary("SUB", scales=(0.0558, 0.0563, 0.0234), zero_points=(33, -55, 122)))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            binary("SUB", ((2, 3), (3, 2)), output_shape=(2, 3)),
            "its shape is [2, 3], but the inputs have the shapes [2, 3] and [3, 2]",
        ),
        (binary("SUB", ((1,) * 7, (1,))), "it has 7 dimensions"),
        (binary("SUB", scales=(1.0, 1.0, 1e-7)), "the scale of its output, 1e-07, is too small"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SUB") as caught:
        read_graph(model)
    assert problem in caught.value.problem
