"""HARD_SWISH against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, scales, unary, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def test_c_equals_tflm() -> None:
    assert_exact(unary("HARD_SWISH"))


@given(
    scale=scales(1e-4, 10.0),
    zero_point=zero_points,
    ratio=scales(1e-2, 100.0),
    output_zero_point=zero_points,
)
def test_all_256_inputs(
    scale: float, zero_point: int, ratio: float, output_zero_point: int
) -> None:
    assert_all_inputs(unary("HARD_SWISH", scale, zero_point, scale * ratio, output_zero_point))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            unary("HARD_SWISH", scale=1.0, output_scale=1e-3),
            "a ratio that TensorFlow Lite Micro cannot represent",
        ),
        (
            unary("HARD_SWISH", scale=1e-5, output_scale=1.0),
            "a ratio that TensorFlow Lite Micro cannot represent",
        ),
        (
            unary("HARD_SWISH", shape=(1, 6), output_shape=(6,)),
            "its shape is [6], but the operator needs [1, 6]",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 HARD_SWISH") as caught:
        read_graph(model)
    assert problem in caught.value.problem
