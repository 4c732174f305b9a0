"""LEAKY_RELU against TensorFlow Lite Micro."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.ops.elementwise import assert_all_inputs, scales, unary, zero_points
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def alpha_options(alpha: float) -> schema.LeakyReluOptionsT:
    options = schema.LeakyReluOptionsT()
    options.alpha = alpha
    return options


def test_c_equals_tflm() -> None:
    assert_exact(unary("LEAKY_RELU", options=alpha_options(0.1)))


@given(
    scale=scales(1e-3, 1),
    zero_point=zero_points,
    output_scale=scales(1e-3, 1),
    output_zero_point=zero_points,
    alpha=st.floats(-4, 4, width=32),
)
def test_all_256_inputs(
    scale: float, zero_point: int, output_scale: float, output_zero_point: int, alpha: float
) -> None:
    options = alpha_options(alpha)
    assert_all_inputs(
        unary("LEAKY_RELU", scale, zero_point, output_scale, output_zero_point, options=options)
    )


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (unary("LEAKY_RELU", options=alpha_options(math.nan)), "its slope alpha is nan"),
        (unary("LEAKY_RELU", options=alpha_options(1e30)), "too large for 32-bit arithmetic"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 LEAKY_RELU") as caught:
        read_graph(model)
    assert problem in caught.value.problem
