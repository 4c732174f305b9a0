"""What TensorFlow Lite Micro decodes is what was encoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext.encoding.insert import insert
from tflm_ext.encoding.methods import METHODS, NotEncodableError, refusal
from tflm_ext.frontend.parse import parse
from tflm_ext.ir import DType, Quantization, Tensor
from tflm_ext.verify.tflm_child import compute

NAMES = sorted(METHODS)


def showing(weights: np.ndarray, axis: int | None) -> bytes:
    """A model whose output is its constant."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=1.0)
    scales = [1.0] if axis is None else [1.0 + i for i in range(weights.shape[axis])]
    constant = b.constant(weights, scale=scales, axis=axis or 0)
    y = b.tensor((weights.size,), scale=1.0)
    shape = b.constant(np.array([weights.size], np.int32))
    b.operator("RESHAPE", [constant, shape], [y], schema.ReshapeOptionsT())
    return b.finish([x], [y])


def decoded(weights: np.ndarray, axis: int | None, method: str) -> np.ndarray:
    model = showing(weights, axis)
    encoded = METHODS[method](parse(model, "model").tensors[1])
    new = insert(model, {1: (encoded.code, encoded.ancillary)})
    inputs = [np.zeros((1, 1, 4), np.int8)]
    return compute(new, inputs, 1, 8 * weights.size + 20_000)[0][0].reshape(weights.shape)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[np.ndarray, int | None]:
    """Few or many values, few or many zeros, groups along the first axis, the last, or none."""
    shape = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.integers(-128, 128, draw(st.integers(1, 40)), np.int8)
    # Between even and steep: the steepest have words longer than the first table.
    chances = draw(st.sampled_from([0.0, 0.3, 0.7, 2.0])) * np.arange(len(values))
    chances = np.exp(-chances) / np.exp(-chances).sum()
    weights = generator.choice(values, shape, p=chances)
    weights[generator.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))] = 0
    axis = draw(st.sampled_from([None, 0, len(shape) - 1]))
    return weights, axis if axis is not None and shape[axis] > 1 else None


@pytest.mark.parametrize("method", NAMES)
@settings(max_examples=60, deadline=None)
@given(tensors())
def test_tflm_decodes_what_was_encoded(method: str, tensor: tuple[np.ndarray, int | None]) -> None:
    weights, axis = tensor
    np.testing.assert_array_equal(decoded(weights, axis, method), weights)


@pytest.mark.parametrize("method", NAMES)
def test_every_value_often_and_seldom(method: str) -> None:
    """Counts that grow like Fibonacci's numbers give the longest words."""
    counts = [1, 1]
    while sum(counts) < 60_000:
        counts.append(counts[-1] + counts[-2])
    weights = np.repeat(np.arange(len(counts), dtype=np.int8) - 9, counts)
    np.random.default_rng(0).shuffle(weights)
    np.testing.assert_array_equal(decoded(weights, None, method), weights)


def test_huffman_holds_every_value() -> None:
    weights = np.random.default_rng(0).permutation(np.repeat(np.arange(-128, 128), 9))
    weights = weights.astype(np.int8)
    np.testing.assert_array_equal(decoded(weights, None, "huffman"), weights)


def test_huffman_comes_near_the_entropy() -> None:
    generator = np.random.default_rng(0)
    weights = generator.normal(0, 12, 20_000).round().clip(-127, 127).astype(np.int8)
    shares = np.unique(weights, return_counts=True)[1] / weights.size
    entropy = -(shares * np.log2(shares)).sum() * weights.size / 8
    tensor = parse(showing(weights, None), "model").tensors[1]
    assert entropy < len(METHODS["huffman"](tensor).code) < 1.02 * entropy


def test_lut_says_when_there_are_too_many_values() -> None:
    weights = np.arange(129).astype(np.int8)
    with pytest.raises(NotEncodableError, match="129 different values"):
        METHODS["lut"](parse(showing(weights, None), "model").tensors[1])


def test_pruning_leaves_out_the_zero_point() -> None:
    """TFLM puts the zero point where the bit is 0, and not the number 0."""
    data = np.array([5, 5, 0, 1], np.int8).tobytes()
    tensor = Tensor(1, "w", (4,), DType.INT8, Quantization((1.0,), (5,)), data)
    encoded = METHODS["pruning"](tensor)
    assert encoded.code == bytes([0b00110000])
    assert encoded.ancillary[16:] == bytes([0, 1])


def test_refusals() -> None:
    scales = Quantization((1.0, 2.0), (0, 0), 1)
    middle = Tensor(1, "w", (1, 2, 3), DType.INT8, scales, bytes(6))
    bias = Tensor(2, "b", (2,), DType.INT32, None, bytes(8))
    assert refusal(middle) == "its scales run along axis 1"
    assert refusal(bias) == "int32, not int8"
