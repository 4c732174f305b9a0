"""Shapes that rules say, and what they do not say, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend.parse import MAX_ELEMENTS, MAX_RANK, parse
from tflm_ext.rewrite.shapes import output_shape

INT32 = np.int32
LARGE = (1 << 12, 1 << 12)


class Absent:
    """An input that the operator does not have."""


def shape_of(name: str, inputs: list[Any], options: Any = None) -> tuple[int, ...] | None:
    """What the rule says of inputs: shapes of int8 tensors, arrays of constants, or Absent."""
    b = ModelBuilder()
    x = b.tensor((1,), scale=0.1)
    read = []
    for given in inputs:
        if given is Absent:
            read.append(-1)
        else:
            constant = isinstance(given, np.ndarray | np.generic)
            read.append(b.constant(given) if constant else b.tensor(given, scale=0.1))
    y = b.tensor((1,), scale=0.1)
    b.operator(name, read, [y], options)
    model = parse(b.finish([x], [y]), "net")
    (node,) = model.nodes
    return output_shape(node, [model.tensors[i] if i >= 0 else None for i in node.inputs])


def keeping_dimensions() -> Any:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = True
    return options


RULES: list[tuple[str, list[Any], tuple[int, ...] | None]] = [
    ("RELU", [(2, 3)], (2, 3)),
    ("ADD", [(2, 3), (3,)], (2, 3)),
    ("ADD", [(2, 1), (1, 3)], (2, 3)),
    ("ADD", [(2, 3), (2,)], None),
    ("ADD", [LARGE[:1], (LARGE[1], 1)], LARGE),
    ("ADD", [(LARGE[0] + 1,), (LARGE[1], 1)], None),  # more than MAX_ELEMENTS
    ("SOFTMAX", [(2, 3)], (2, 3)),
    ("LOG_SOFTMAX", [(2, 3)], (2, 3)),
    ("QUANTIZE", [(2, 3)], (2, 3)),
    ("DEQUANTIZE", [(2, 3)], (2, 3)),
    ("L2_NORMALIZATION", [(2, 3)], (2, 3)),
    ("RESHAPE", [(2, 6), INT32([3, 4])], (3, 4)),
    ("RESHAPE", [(2, 6), INT32([3, -1])], (3, 4)),
    ("RESHAPE", [(2, 6), np.int64([-1, 2])], (6, 2)),
    ("RESHAPE", [(2, 6), INT32([-1] + [1] * (MAX_RANK - 1))], (12,) + (1,) * (MAX_RANK - 1)),
    ("RESHAPE", [(2, 6), INT32([-1] + [1] * MAX_RANK)], None),
    ("RESHAPE", [(2, 6), INT32([-1, -1])], None),
    ("RESHAPE", [(2, 6), INT32([-2, 6])], None),
    ("RESHAPE", [(2, 6), INT32([-1, 0])], (0, 0)),
    ("RESHAPE", [(2, 6), np.int8([3, 4])], None),
    ("RESHAPE", [(2, 6), (2,)], None),  # its values are not known
    ("RESHAPE", [(2, 6)], None),
    ("TRANSPOSE", [(2, 3, 4), INT32([2, 0, 1])], (4, 2, 3)),
    ("TRANSPOSE", [(2, 3), INT32([0, 0])], None),
    ("TRANSPOSE", [(2, 3), INT32([0])], None),
    ("TRANSPOSE", [(2, 3)], None),
    ("FULLY_CONNECTED", [(2, 6), (4, 3), Absent], (4, 4)),
    ("FULLY_CONNECTED", [(2, 6), (4, 3)], (4, 4)),
    ("FULLY_CONNECTED", [(2, 6), (4, 3, 1)], None),
    ("FULLY_CONNECTED", [(2, 6)], None),
    ("FILL", [INT32([2, 3]), INT32(1)], (2, 3)),
    ("FILL", [INT32([2, -1]), INT32(1)], None),
    ("FILL", [INT32([2, 0]), INT32(1)], (2, 0)),
    ("TRANSPOSE_CONV", [INT32([1, 4, 4, 2]), (2, 3, 3, 1), (1, 2, 2, 1)], (1, 4, 4, 2)),
    ("BROADCAST_TO", [(3,), INT32([2, 3])], (2, 3)),
    ("BROADCAST_TO", [(3,)], None),
    ("RELU", [Absent], None),
    ("CUMSUM", [(2, 3)], None),  # there is no rule
]


@pytest.mark.parametrize(("name", "inputs", "shape"), RULES)
def test_rules(name: str, inputs: list[Any], shape: tuple[int, ...] | None) -> None:
    assert shape_of(name, inputs) == shape


def test_dense_layers_may_keep_the_dimensions_of_their_input() -> None:
    given = [(2, 5, 3), (4, 3)]
    assert shape_of("FULLY_CONNECTED", given, keeping_dimensions()) == (2, 5, 4)
    assert shape_of("FULLY_CONNECTED", given, schema.FullyConnectedOptionsT()) == (10, 4)


def test_the_largest_shape() -> None:
    assert np.prod(LARGE) == MAX_ELEMENTS
