"""BATCH_MATMUL against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.ops.batch_matmul import OPERATOR
from tflm_ext.verify.tflm_child import compute


def batch_matmul(
    left: tuple[int, ...] = (2, 3, 4),
    right: tuple[int, ...] = (2, 4, 5),
    adj_x: bool = False,
    adj_y: bool = False,
    constant: int | None = None,
    zero_points: tuple[int, int, int] = (-3, 7, 11),
    scales: tuple[float, float] = (0.05, 0.07),
    output_scale: float = 0.2,
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> bytes:
    """A model of one BATCH_MATMUL; `constant` is the number of a constant operand."""
    generator = np.random.default_rng(seed)
    b = ModelBuilder()
    operands = []
    for i, size in enumerate((left, right)):
        scale, zero_point = scales[i], zero_points[i]
        if i == constant:
            values = generator.integers(-128, 128, size, np.int8)
            operands.append(b.constant(values, scale=scale, zero_point=zero_point))
        else:
            operands.append(b.tensor(size, scale=scale, zero_point=zero_point))
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    out = (*batch, left[-1] if adj_x else left[-2], right[-2] if adj_y else right[-1])
    y = b.tensor(shape or out, scale=output_scale, zero_point=zero_points[2])
    options = schema.BatchMatMulOptionsT()
    options.adjX, options.adjY = adj_x, adj_y
    b.operator("BATCH_MATMUL", operands, [y], options, version=2)
    return b.finish([t for i, t in enumerate(operands) if i != constant], [y])


@pytest.mark.parametrize(
    "model",
    [
        batch_matmul(),
        batch_matmul((2, 1, 4, 3), (3, 5, 4), adj_x=True, adj_y=True, zero_points=(127, -128, 0)),
        batch_matmul((2, 3, 4), (1, 4, 5), constant=1),
        batch_matmul((3, 4), (2, 2, 1, 4, 2), constant=0),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(data=st.data(), adj_x=st.booleans(), adj_y=st.booleans())
def test_numpy_equals_tflm(data: st.DataObject, adj_x: bool, adj_y: bool) -> None:
    size = st.integers(1, 4)
    batch = data.draw(st.lists(size, max_size=3))
    rows, depth, columns = data.draw(st.tuples(size, st.integers(1, 20), size))
    shapes = []
    for matrix in (
        (depth, rows) if adj_x else (rows, depth),
        (columns, depth) if adj_y else (depth, columns),
    ):
        own = [d if data.draw(st.booleans()) else 1 for d in batch]
        shapes.append((*own[data.draw(st.integers(0, len(own))) :], *matrix))
    point = st.integers(-128, 127)
    model = batch_matmul(
        *shapes,
        adj_x=adj_x,
        adj_y=adj_y,
        constant=data.draw(st.sampled_from([None, 0, 1])),
        zero_points=data.draw(st.tuples(point, point, point)),
        output_scale=data.draw(st.sampled_from([1e-5, 0.01, 0.3, 8.0])),
        seed=data.draw(st.integers(0, 99)),
    )
    assert_exact(model, c=False)


def test_the_product_of_scales_is_a_double() -> None:
    """A sum close to a tie, which a float32 product would round in the wrong direction."""
    scales, output_scale, total = (0.746, 0.798), 239.2, 40381
    model = batch_matmul(
        (1, 4), (4, 1), zero_points=(0, 0, 0), scales=scales, output_scale=output_scale
    )
    left = np.array([[[127, 127, 63, 122]]], np.int8)
    right = np.array([[[127], [127], [127], [1]]], np.int8)
    assert (left.astype(int) @ right.astype(int)).item() == total
    (expected,), _ = compute(model, [left, right], 1, 1 << 20)
    view = next(iter(read_graph(model).views()))
    (got,) = OPERATOR.reference(view, [left[0], right[0]])
    single = np.float32(scales[0]) * np.float32(scales[1])
    coarse = quantize_multiplier(float(single) / float(np.float32(output_scale)))
    assert expected.item() == got.item() == 100
    assert multiply_by_quantized_multiplier(np.array(total), *coarse) == 101


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (batch_matmul((2, 3, 4), (2, 5, 4)), "[2, 3, 4] and [2, 5, 4] cannot be multiplied"),
        (batch_matmul(shape=(2, 5, 3)), "its shape is [2, 5, 3], but the operator needs [2, 3, 5]"),
        (
            batch_matmul((1, 40000), (40000, 1)),
            "its sums can reach 2,601,000,000, which does not fit into 32 bits",
        ),
        (batch_matmul(output_scale=1e-20), "a ratio of its scales is 3.5e+17"),
        (batch_matmul((1, 1, 1, 1, 3, 4), (4, 5)), "with 2 to 5 dimensions"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 BATCH_MATMUL") as caught:
        read_graph(model)
    assert problem in str(caught.value)
