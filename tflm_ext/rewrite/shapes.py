"""Shapes of what operators compute, where the file does not have them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tflm_ext.frontend.float_operators import ELEMENTWISE
from tflm_ext.frontend.parse import MAX_ELEMENTS, MAX_RANK, RawNode
from tflm_ext.ir import DType, Tensor

Shape: TypeAlias = tuple[int, ...]
_Inputs: TypeAlias = Sequence[Tensor | None]


def output_shape(node: RawNode, inputs: _Inputs) -> Shape | None:
    """The shape of an operator's only output; None if no rule says it.

    Args:
        inputs: with their true shapes, and values where these are known; None if absent.
    """
    rule = _RULES.get(node.code)
    found = None if rule is None or not inputs or inputs[0] is None else rule(node, inputs)
    return found if found is not None and math.prod(found) <= MAX_ELEMENTS else None


def value_decides(code: int) -> bool:
    """Whether the values of an input decide on the shape of the output."""
    return code in _BY_VALUE


def _values(tensor: Tensor | None) -> Shape | None:
    """The values of a tensor that are sizes or axes; None if they are not known."""
    if tensor is None or not tensor.constant or tensor.dtype not in (DType.INT32, DType.INT64):
        return None
    return tuple(tensor.array().ravel().tolist()) if tensor.elements <= MAX_RANK else None


def _by_value(place: int) -> Callable[[RawNode, _Inputs], Shape | None]:
    """The values of an input are the shape."""

    def shape(node: RawNode, inputs: _Inputs) -> Shape | None:
        found = _values(inputs[place]) if place < len(inputs) else None
        return found if found is not None and min(found, default=0) >= 0 else None

    return shape


def _reshaped(node: RawNode, inputs: _Inputs) -> Shape | None:
    wanted = _values(inputs[1]) if len(inputs) > 1 else None
    source = inputs[0]
    if wanted is None or source is None or wanted.count(-1) > 1 or min(wanted, default=0) < -1:
        return None
    others = math.prod(size for size in wanted if size != -1)
    rest = source.elements // others if others else 0
    return tuple(rest if size == -1 else size for size in wanted)


def _broadcast(node: RawNode, inputs: _Inputs) -> Shape | None:
    try:
        return np.broadcast_shapes(*(tensor.shape for tensor in inputs if tensor is not None))
    except ValueError:
        return None


def _first(node: RawNode, inputs: _Inputs) -> Shape | None:
    return inputs[0].shape if inputs[0] is not None else None


def _transposed(node: RawNode, inputs: _Inputs) -> Shape | None:
    order = _values(inputs[1]) if len(inputs) > 1 else None
    shape = _first(node, inputs)
    if order is None or shape is None or sorted(order) != list(range(len(shape))):
        return None
    return tuple(shape[axis] for axis in order)


def _dense(node: RawNode, inputs: _Inputs) -> Shape | None:
    source, weights = inputs[0], inputs[1] if len(inputs) > 1 else None
    if source is None or weights is None or len(weights.shape) != 2 or not weights.shape[1]:
        return None
    units, depth = weights.shape
    if node.options is not None and node.options.bool(2):
        return (*source.shape[:-1], units)
    return (source.elements // depth, units)


_BY_VALUE: Mapping[int, Callable[[RawNode, _Inputs], Shape | None]] = {
    22: _reshaped,  # RESHAPE
    67: _by_value(0),  # TRANSPOSE_CONV
    94: _by_value(0),  # FILL
    130: _by_value(1),  # BROADCAST_TO
}
_SAME = dict.fromkeys(ELEMENTWISE, _broadcast)
# Elementwise in int8 only: SOFTMAX, LOG_SOFTMAX, QUANTIZE, DEQUANTIZE, L2_NORMALIZATION.
_ROWS = dict.fromkeys((25, 50, 114, 6, 11), _first)
_RULES: Mapping[int, Callable[[RawNode, _Inputs], Shape | None]] = {
    **_SAME,
    **_ROWS,
    9: _dense,  # FULLY_CONNECTED
    39: _transposed,  # TRANSPOSE
    **_BY_VALUE,
}
