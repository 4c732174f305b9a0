"""Spaces of test cases for every operator: parameters, and the values to be combined in pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.ops.core_plain import (
    LAST_SHIFTS,
    RATIOS,
    matrices,
    moved,
    one_tensor,
    pooled,
    recurrent,
    reduced,
    resized,
    soft,
    two_tensors,
)
from tests.ops.core_weighted import (
    ACTIVATIONS,
    CHANNELS,
    LOW_SUMS,
    POINTS,
    REQUANTISATIONS,
    RIGHT,
    SUMS,
    Draw,
    convolution,
    dense,
    depthwise,
    transposed,
)
from tests.ops.pairwise import Case, Space


@dataclass(frozen=True)
class CaseSet:
    """Cases of one kind.

    Attributes:
        build: the model of a case; what the case leaves open is drawn.
        parts: programs over which the covering set is spread.
    """

    space: Space
    build: Callable[[Case, Draw], bytes]
    parts: int = 1


_ROWS = (1, 2, 3, 4, 5)
_COLUMNS = (1, 2, 3, 4, 5, 6, 7)
_THREE = (1, 2, 3)
_PADDINGS = ("same", "valid", "border")
_ONE = (1,)

_WINDOWS: Space = {
    "row_window": _ROWS,
    "column_window": _COLUMNS,
    "row_stride": _THREE,
    "column_stride": _THREE,
    "row_dilation": _THREE,
    "column_dilation": _THREE,
    "padding": _PADDINGS,
    "batches": (1, 2),
}
_POINT: Space = {
    "row_window": _ONE,
    "column_window": _ONE,
    "row_stride": _ONE,
    "column_stride": _ONE,
    "row_dilation": _ONE,
    "column_dilation": _ONE,
    "padding": ("same",),
    "batches": (1, 2),
}
_ALL_NUMBERS: Space = {
    "in_point": POINTS,
    "out_point": POINTS,
    "activation": ACTIVATIONS,
    "requantisation": REQUANTISATIONS,
    "sums": SUMS,
}
# Cases for kernels of tiles and lines, which few cases from the full ranges would reach.
_PLAIN_NUMBERS: Space = {
    "in_point": POINTS,
    "out_point": POINTS,
    "activation": (0,),
    "requantisation": RIGHT,
    "sums": LOW_SUMS,
}
_LANES = tuple(c for c in CHANNELS if c >= 4)


_TWO: Space = {
    "operator": (*LAST_SHIFTS, "MAXIMUM", "MINIMUM"),
    "channels": CHANNELS,
    "shapes": ("same", "channels", "number", "both"),
    "constant": (None, 0, 1),
    "larger": ("equal", "first", "second"),
    "ratio": RATIOS,
    "activation": ACTIVATIONS,
    "in_point": POINTS,
    "second_point": POINTS,
    "out_point": POINTS,
}
_UNARY = (
    *("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RSQRT"),
    *("TABLE", "TANH"),
)
_MOVED = (
    *("CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "PACK", "PAD", "PADV2"),
    *("RESHAPE", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE"),
    *("TRANSPOSE", "UNPACK"),
)
_POINTS: Space = {"in_point": POINTS, "out_point": POINTS}

SETS: Mapping[str, CaseSet] = {
    "convolution": CaseSet(
        {"channels": CHANNELS, "outputs": CHANNELS, **_WINDOWS, **_ALL_NUMBERS, "groups": _THREE},
        convolution,
        4,
    ),
    "convolution_plain": CaseSet(
        {"channels": CHANNELS, "outputs": CHANNELS, **_WINDOWS, **_PLAIN_NUMBERS, "groups": _ONE},
        convolution,
        4,
    ),
    "convolution_point": CaseSet(
        {
            "channels": (4, 8, 12, 16, 20, 36),
            "outputs": CHANNELS,
            **_POINT,
            **_PLAIN_NUMBERS,
            "groups": _ONE,
        },
        convolution,
        2,
    ),
    "depthwise": CaseSet(
        {"channels": CHANNELS, **_WINDOWS, **_ALL_NUMBERS, "multiplier": (1, 2)}, depthwise, 3
    ),
    "depthwise_plain": CaseSet(
        {"channels": _LANES, **_WINDOWS, **_PLAIN_NUMBERS, "multiplier": _ONE}, depthwise, 2
    ),
    "depthwise_valid": CaseSet(
        {
            "channels": _LANES,
            **_WINDOWS,
            "padding": ("valid",),
            **_PLAIN_NUMBERS,
            "multiplier": _ONE,
        },
        depthwise,
        2,
    ),
    "depthwise_3x3": CaseSet(
        {
            "channels": _LANES,
            **_POINT,
            "row_window": (3,),
            "column_window": (3,),
            "padding": _PADDINGS,
            **_PLAIN_NUMBERS,
            "multiplier": _ONE,
        },
        depthwise,
    ),
    "depthwise_3x3_stride_2": CaseSet(
        {
            "channels": _LANES,
            **_POINT,
            "row_window": (3,),
            "column_window": (3,),
            "row_stride": (2,),
            "column_stride": (2,),
            "padding": _PADDINGS,
            **_PLAIN_NUMBERS,
            "multiplier": _ONE,
        },
        depthwise,
    ),
    "depthwise_row": CaseSet(
        {
            "channels": _LANES,
            **_POINT,
            "column_window": tuple(range(1, 12)),
            "column_dilation": _THREE,
            "padding": _PADDINGS,
            **_PLAIN_NUMBERS,
            "multiplier": _ONE,
        },
        depthwise,
        3,
    ),
    "depthwise_row_stride_2": CaseSet(
        {
            "channels": _LANES,
            **_POINT,
            "column_window": tuple(range(1, 12)),
            "column_stride": (2,),
            "padding": _PADDINGS,
            **_PLAIN_NUMBERS,
            "multiplier": _ONE,
        },
        depthwise,
        3,
    ),
    "dense": CaseSet(
        {
            "depth": (*CHANNELS, 50, 1040),
            "outputs": CHANNELS,
            "rows": _THREE,
            "per_channel": (False, True),
            **_ALL_NUMBERS,
        },
        dense,
        4,
    ),
    "dense_plain": CaseSet(
        {
            "depth": (*CHANNELS, 50, 512),
            "outputs": CHANNELS,
            "rows": _THREE,
            "per_channel": (False, True),
            **_PLAIN_NUMBERS,
        },
        dense,
        4,
    ),
    "transposed": CaseSet(
        {
            "channels": CHANNELS,
            "outputs": (1, 2, 3, 4, 5, 8, 17),
            **{name: values for name, values in _WINDOWS.items() if "dilation" not in name},
            "padding": ("same", "valid"),
            **_ALL_NUMBERS,
        },
        transposed,
        2,
    ),
    "matrices": CaseSet(
        {
            "rows": (1, 2, 3, 5),
            "depth": (*CHANNELS, 50),
            "channels": (1, 2, 3, 4, 5, 8, 17),
            "batches": (1, 2),
            "broadcast": (False, True),
            "adj_x": (False, True),
            "adj_y": (False, True),
            "constant": (None, 0, 1),
            "ratio": RATIOS,
            **_POINTS,
            "second_point": POINTS,
        },
        matrices,
        2,
    ),
    "two_tensors": CaseSet(_TWO, two_tensors, 3),
    "one_tensor": CaseSet(
        {
            "operator": _UNARY,
            "channels": CHANNELS,
            "batches": (1, 2),
            "ratio": (*RATIOS, "identity"),
            **_POINTS,
        },
        one_tensor,
        3,
    ),
    "pooled": CaseSet(
        {
            "operator": ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
            "channels": (*CHANNELS, 12),
            **{name: values for name, values in _WINDOWS.items() if "dilation" not in name},
            "padding": ("same", "valid"),
            "activation": ACTIVATIONS,
            "in_point": POINTS,
        },
        pooled,
        2,
    ),
    "reduced": CaseSet(
        {
            "operator": ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"),
            "channels": CHANNELS,
            "batches": (1, 2),
            "axes": ((1, 2), (1,), (2,), (3,), (-1, 0), (1, 2, 3), (0, 1, 2, 3)),
            "keep_dims": (False, True),
            "ratio": RATIOS,
            **_POINTS,
        },
        reduced,
        2,
    ),
    "moved": CaseSet(
        {
            "operator": _MOVED,
            "channels": CHANNELS,
            "axis": (0, 1, 2, 3),
            "size": _THREE,
            "in_point": POINTS,
        },
        moved,
        5,
    ),
    "resized": CaseSet(
        {
            "operator": ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
            "channels": CHANNELS,
            "batches": (1, 2),
            "rows": (1, 2, 3, 5),
            "columns": (1, 2, 3, 7),
            "new_rows": (1, 2, 5, 9),
            "new_columns": (1, 3, 4, 11),
            "centres": ((False, False), (True, False), (False, True)),
            **_POINTS,
        },
        resized,
        1,
    ),
    "soft": CaseSet(
        {
            "channels": (*CHANNELS, 300),
            "rows": _THREE,
            "scale": (0.001, 0.1, 4.0),
            "beta": (0.5, 1.0, 3.0),
            "in_point": POINTS,
        },
        soft,
        1,
    ),
    "recurrent": CaseSet(
        {
            "channels": (1, 2, 3, 4, 5, 8, 17),
            "outputs": (1, 2, 3, 4, 5, 8, 17),
            "batches": (1, 2),
            "steps": _THREE,
            "time_major": (False, True),
            "clip": (0.0, 0.7, 10.0),
            "cell_power": (-20, -15, -11, 2),
            "weight_scale": (0.001, 0.01, 0.2),
            **_POINTS,
        },
        recurrent,
        2,
    ),
}
