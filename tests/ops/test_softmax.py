"""SOFTMAX against TensorFlow Lite Micro."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def softmax(
    shape: tuple[int, ...] = (1, 10),
    scale: float = 0.1,
    beta: float = 1.0,
    zero_point: int = 3,
    output_scale: float = 1 / 256,
    output_zero_point: int = -128,
    output_shape: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one SOFTMAX."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=scale, zero_point=zero_point)
    y = b.tensor(output_shape or shape, scale=output_scale, zero_point=output_zero_point)
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    b.operator("SOFTMAX", [x], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model", [softmax(), softmax((2, 3, 4), 0.02, 0.5), softmax((1, 511), 0.3), softmax((3,), 4.0)]
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    last=st.integers(1, 40),
    # From scales that TFLM refuses to scales at which all values except the largest become 0.
    scale=st.floats(-25.5, 9.0).map(lambda exponent: 2.0**exponent),
    beta=st.sampled_from([1.0, 0.75, 3.0]),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 99),
)
def test_numpy_equals_tflm(shape: list[int], last: int, seed: int, **drawn: float) -> None:
    assert_exact(softmax((*shape[:-1], last), **drawn), c=False, seed=seed)


@given(exponent=st.floats(-6.0, 1.0))
def test_common_scales(exponent: float) -> None:
    assert_exact(softmax((4, 12), math.exp(exponent)), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            softmax(output_scale=1 / 128),
            "its output has the scale 0.0078125 and the zero point -128",
        ),
        (softmax(output_zero_point=-127), "and the zero point -127"),
        (softmax(beta=-1.0), "is not above 2**-26"),
        (softmax(beta=math.nan), "is not above 2**-26"),
        (softmax(scale=1e-9), "is not above 2**-26"),
        (softmax((1,) * 6 + (3,)), "it has 7 dimensions"),
        (softmax((1, 4096)), "1 to 4,095 values"),
        (softmax(output_shape=(10,)), "its shape is [10]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SOFTMAX") as caught:
        read_graph(model)
    assert problem in caught.value.problem
