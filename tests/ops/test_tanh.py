"""TANH against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, scales, unary, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def test_c_equals_tflm() -> None:
    assert_exact(unary("TANH"))


@given(
    scale=scales(1e-6, 100.0),
    zero_point=zero_points,
)
def test_all_256_inputs(scale: float, zero_point: int) -> None:
    assert_all_inputs(unary("TANH", scale, zero_point, 1 / 128, 0))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (unary("TANH", scale=1e-12), "the scale of its input, 1e-12, is out of range"),
        (
            unary("TANH", shape=(1, 6), output_shape=(6,)),
            "its shape is [6], but the operator needs [1, 6]",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 TANH") as caught:
        read_graph(model)
    assert problem in caught.value.problem
