"""DIV against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, binary, broadcasting, scales, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


@pytest.mark.parametrize("activation", [0, 3])
def test_c_equals_tflm(activation: int) -> None:
    assert_exact(broadcasting("DIV", (0.05, 0.04, 0.01), activation))


@settings(max_examples=30)
@given(
    first=scales(1e-3, 1),
    second=scales(1e-3, 1),
    output=scales(70.0, 1e6),
    zeros=st.tuples(zero_points, zero_points, zero_points),
    activation=st.sampled_from([0, 1, 2, 3]),
)
def test_all_pairs_of_inputs(
    first: float, second: float, output: float, zeros: tuple[int, int, int], activation: int
) -> None:
    scale = first / second / output
    assume(activation == 0 or scale > 6.0 / 2**30)  # otherwise the limits exceed 32 bits
    assert_all_inputs(
        binary(
            "DIV",
            scales=(first, second, scale),
            zero_points=zeros,
            activation=activation,
        )
    )


def test_divides_scales_in_double() -> None:
    """With float32 ratios, some of these pairs would have different results."""
    assert_all_inputs(binary("DIV", scales=(0.0528, 0.0162, 0.0163), zero_points=(113, -11, 71)))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            binary("DIV", ((2, 3), (3, 2)), output_shape=(2, 3)),
            "its shape is [2, 3], but the inputs have the shapes [2, 3] and [3, 2]",
        ),
        (binary("DIV", ((1,) * 7, (1,))), "it has 7 dimensions"),
        (binary("DIV", scales=(0.05, 0.05, 0.1)), "defined for 64 to 4 million only"),
        (binary("DIV", scales=(1.0, 1.0, 1e-30)), "too large for 32-bit arithmetic"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 DIV") as caught:
        read_graph(model)
    assert problem in caught.value.problem
