"""ABS against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, scales, unary, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def test_c_equals_tflm() -> None:
    assert_exact(unary("ABS"))


@given(
    scale=scales(1e-3, 1),
    zero_point=zero_points,
    output_scale=scales(1e-3, 1),
    output_zero_point=zero_points,
)
def test_all_256_inputs(
    scale: float, zero_point: int, output_scale: float, output_zero_point: int
) -> None:
    assert_all_inputs(unary("ABS", scale, zero_point, output_scale, output_zero_point))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (unary("ABS", scale=10.0, output_scale=1e-8), "too large for 32-bit arithmetic"),
        (
            unary("ABS", shape=(1, 6), output_shape=(6,)),
            "its shape is [6], but the operator needs [1, 6]",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 ABS") as caught:
        read_graph(model)
    assert problem in caught.value.problem
