"""MEAN and SUM of the Arduino flavour, which computes them in float32 where others use integers.

Sources: reference_ops::Mean() and QuantizedMeanOrSum() in kernels/internal/reference/reduce.h of
the Arduino library, and of current versions.
"""

from __future__ import annotations

import math

import numpy as np

from tflm_ext.arithmetic import (
    mean_multiplier,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away_array,
)
from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.ir import DType
from tflm_ext.opslib.base import Array

_MAX_SUMS = 1 << 24
_EPSILON = 2.0**-23  # of float32


def rounds_alike(name: str, node: RawNode, parsed: RawModel) -> bool:
    """Whether a MEAN or SUM of int8 is the same in both for every sum that it can compute.

    The Arduino flavour's float32 may be fused or not, which depends on its compiler. Within the
    error of any order, its result must therefore be the right one.
    """
    if len(node.inputs) != 2 or -1 in node.inputs or len(node.outputs) != 1:
        return False  # TFLM refuses it
    source, axes = (parsed.tensors[i] for i in node.inputs)
    x, y = source.quantization, parsed.tensors[node.outputs[0]].quantization
    if x is None or y is None or x.per_channel or y.per_channel:
        return False
    if not axes.constant or axes.dtype is not DType.INT32:
        return False
    rank = len(source.shape)
    reduced = {int(axis) % max(rank, 1) for axis in axes.array().ravel()}
    count = math.prod(source.shape[axis] for axis in reduced if axis < rank)
    if 255 * count > _MAX_SUMS:
        return False
    sums = np.arange(-128 * count, 127 * count + 1)
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    if name == "MEAN":
        multiplier, shift = mean_multiplier(multiplier, shift, count)
    right = multiply_by_quantized_multiplier(sums - x.zero_point * count, multiplier, shift)
    right = np.clip(right + y.zero_point, -128, 127)
    if name == "MEAN" and (x.scale, x.zero_point) == (y.scale, y.zero_point):
        return bool(np.array_equal(np.fix(sums / count), right))
    scale = float(np.float32(x.scale) / np.float32(y.scale))
    terms = sums / count if name == "MEAN" else sums
    bias = -x.zero_point * scale * (1 if name == "MEAN" else count)
    error = 4 * _EPSILON * (np.abs(terms * scale) + abs(bias) + 1)
    return all(_equal(terms * scale + bias + e, y.zero_point, right, name) for e in (-error, error))


def _equal(real: Array, zero_point: int, right: Array, name: str) -> bool:
    found = round_half_away_array(real) + zero_point
    # SUM does not saturate, it wraps.
    found = np.clip(found, -128, 127) if name == "MEAN" else found
    return bool(np.array_equal(found, right))
