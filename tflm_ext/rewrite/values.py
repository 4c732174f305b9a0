"""What operators compute from values that are known during the export: shapes and constants.

Most move integers and do it as their operators in ops/ say. The others are defined here, by the
kernels of TensorFlow Lite. All arithmetic is done with Python's integers: a result that leaves its
element type is not known.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.parse import RawNode
from tflm_ext.ir import DType, Graph, Node, Quantization, Tensor
from tflm_ext.ops import BY_CODE
from tflm_ext.opslib.base import Array

_UNIT = Quantization((1.0,), (0,))
_MAX_ELEMENTS = 1 << 14


@dataclass(frozen=True, slots=True)
class Call:
    """One operator to compute.

    Attributes:
        inputs: its tensors with their true shapes; None where an optional input is absent. All
            are constants, except the input of SHAPE and RANK.
        outputs: its tensors, with their shapes in the file.
    """

    node: RawNode
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    def input(self, place: int) -> Tensor:
        """An input that must be present."""
        tensor = self.inputs[place] if place < len(self.inputs) else None
        if tensor is None:
            raise _Unknown
        return tensor

    def exact(self, place: int) -> Array:
        """The values of an input as Python's integers, in its shape."""
        tensor = self.input(place)
        if tensor.dtype is DType.FLOAT32:
            raise _Unknown
        return tensor.array().astype(object)

    def integers(self, place: int) -> list[int]:
        """The values of an input as one list."""
        return [int(value) for value in self.exact(place).ravel()]

    def integer(self, place: int) -> int:
        """The value of an input that must have a single one."""
        values = self.integers(place)
        if len(values) != 1:
            raise _Unknown
        return values[0]


class _Unknown(Exception):
    """The result is not known during the export."""


Compute: TypeAlias = Callable[[Call], tuple[Array, ...]]


def known(code: int) -> bool:
    """Whether results of this operator can be known."""
    return code in _COMPUTE


def needs_values(code: int) -> bool:
    """Whether the values of the inputs must be known, not only their shapes."""
    return code not in (_SHAPE, _RANK)


def compute(call: Call) -> tuple[bytes, ...] | None:
    """The little-endian bytes of each output; None if they are not known."""
    if any(tensor.elements > _MAX_ELEMENTS for tensor in call.outputs):
        return None
    try:
        results = _COMPUTE[call.node.code](call)
    except _Unknown:
        return None
    if len(results) != len(call.outputs):
        return None
    data = [_encoded(r, t) for r, t in zip(results, call.outputs, strict=True)]
    return tuple(d for d in data if d is not None) if None not in data else None


def _encoded(result: Array, tensor: Tensor) -> bytes | None:
    """The bytes of a tensor, if the result has its shape and fits its element type."""
    values = np.asarray(result)
    if values.shape != tensor.shape:
        return None
    if tensor.dtype is DType.BOOL or values.dtype == tensor.dtype.numpy:
        return values.astype(tensor.dtype.numpy).tobytes()
    if tensor.dtype is DType.FLOAT32:
        return None
    ends = np.iinfo(tensor.dtype.numpy)
    if any(not ends.min <= value <= ends.max for value in values.ravel().tolist()):
        return None
    return values.astype(tensor.dtype.numpy).tobytes()


def _shape(call: Call) -> tuple[Array, ...]:
    return (np.array(call.input(0).shape, object),)


def _rank(call: Call) -> tuple[Array, ...]:
    (shape,) = _shape(call)
    return (np.array(len(shape), object),)


def _range(call: Call) -> tuple[Array, ...]:
    start, stop, step = (call.integer(place) for place in range(3))
    if step == 0 or len(range(start, stop, step)) > _MAX_ELEMENTS:
        raise _Unknown
    return (np.array(range(start, stop, step), object),)


def _fill(call: Call) -> tuple[Array, ...]:
    value, out = call.input(1), call.outputs[0]
    if value.elements != 1 or tuple(call.integers(0)) != out.shape or value.dtype is not out.dtype:
        raise _Unknown
    return (np.full(out.shape, value.array().reshape(()), value.dtype.numpy),)


def _cast(call: Call) -> tuple[Array, ...]:
    return (call.exact(0),)


def _broadcast_to(call: Call) -> tuple[Array, ...]:
    source, shape = call.input(0), tuple(call.integers(1))
    if shape != call.outputs[0].shape:
        raise _Unknown
    try:
        return (np.broadcast_to(source.array(), shape),)
    except ValueError:
        raise _Unknown from None


def _elementwise(function: Callable[[int, int], int]) -> Compute:
    def compute_pairs(call: Call) -> tuple[Array, ...]:
        if call.node.options is not None and call.node.options.int8(0) != 0:
            raise _Unknown  # a fused activation
        try:
            return (np.asarray(np.frompyfunc(function, 2, 1)(call.exact(0), call.exact(1))),)
        except (ValueError, ZeroDivisionError):
            raise _Unknown from None

    return compute_pairs


def _truncated(a: int, b: int) -> int:
    """The division of C."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _reduced(function: Callable[[int, int], int]) -> Compute:
    def reduce(call: Call) -> tuple[Array, ...]:
        values, axes = call.exact(0), call.integers(1)
        if any(not -values.ndim <= axis < values.ndim for axis in axes):
            raise _Unknown
        kept = call.node.options is not None and call.node.options.bool(0)
        for axis in sorted({axis % values.ndim for axis in axes}, reverse=True):
            parts = list(np.moveaxis(values, axis, 0))
            values = functools.reduce(np.frompyfunc(function, 2, 1), parts)
            values = np.expand_dims(values, axis) if kept else np.asarray(values, object)
        return (values,)

    return reduce


def _moved(*places: int) -> Compute:
    """An operator of ops/ that moves the elements of the inputs at these places, or of all."""

    def move(call: Call) -> tuple[Array, ...]:
        # Their checks want int8; what they check of shapes and options holds for any type.
        moved = places or range(len(call.inputs))
        tensors = [t for t in call.inputs if t is not None]
        stand_ins = {
            t.index: replace(t, dtype=DType.INT8, quantization=_UNIT, data=None)
            for place, t in enumerate(call.inputs)
            if t is not None and place in moved
        }
        outputs = [replace(t, dtype=DType.INT8, quantization=_UNIT) for t in call.outputs]
        entry = BY_CODE[call.node.code]
        node = Node(
            index=call.node.index,
            operator=entry.name,
            inputs=call.node.inputs,
            outputs=call.node.outputs,
            options=entry.parse(call.node.options),
        )
        every = {t.index: t for t in tensors} | stand_ins | {t.index: t for t in outputs}
        view = Graph("", every, (node,), (), ()).view(node)
        try:
            entry.check(view)
        except UnsupportedModelError:
            raise _Unknown from None
        return entry.reference(view, [t.array() if t is not None else None for t in call.inputs])

    return move


# Numbers are those of BuiltinOperator in TensorFlow Lite's schema.
_SHAPE, _RANK = 77, 110
_COMPUTE: Mapping[int, Compute] = {
    _SHAPE: _shape,
    _RANK: _rank,
    96: _range,  # RANGE
    94: _fill,  # FILL
    53: _cast,  # CAST
    130: _broadcast_to,  # BROADCAST_TO
    0: _elementwise(operator.add),  # ADD
    41: _elementwise(operator.sub),  # SUB
    18: _elementwise(operator.mul),  # MUL
    42: _elementwise(_truncated),  # DIV
    90: _elementwise(operator.floordiv),  # FLOOR_DIV
    95: _elementwise(operator.mod),  # FLOOR_MOD
    55: _elementwise(max),  # MAXIMUM
    57: _elementwise(min),  # MINIMUM
    74: _reduced(operator.add),  # SUM
    81: _reduced(operator.mul),  # REDUCE_PROD
    82: _reduced(max),  # REDUCE_MAX
    89: _reduced(min),  # REDUCE_MIN
    2: _moved(),  # CONCATENATION
    83: _moved(),  # PACK
    22: _moved(0),  # RESHAPE
    36: _moved(0),  # GATHER
    39: _moved(0),  # TRANSPOSE
    43: _moved(0),  # SQUEEZE
    45: _moved(0),  # STRIDED_SLICE
    49: _moved(1),  # SPLIT
    65: _moved(0),  # SLICE
    70: _moved(0),  # EXPAND_DIMS
    88: _moved(0),  # UNPACK
    102: _moved(0),  # SPLIT_V
}
