"""Models of one operator without weights, for sets of cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tests.ops.core_weighted import Draw, point
from tests.ops.elementwise import binary, unary
from tests.ops.paddings import padding
from tests.ops.pairwise import Case
from tests.ops.pooling import pooling
from tests.ops.reductions import reduction
from tests.ops.test_batch_matmul import batch_matmul
from tests.ops.test_concatenation import concatenation
from tests.ops.test_depth_to_space import depth_to_space
from tests.ops.test_expand_dims import expand_dims
from tests.ops.test_gather import gather
from tests.ops.test_leaky_relu import alpha_options
from tests.ops.test_pack import pack
from tests.ops.test_reshape import reshape
from tests.ops.test_resize_bilinear import resize_bilinear
from tests.ops.test_resize_nearest_neighbor import resize_nearest
from tests.ops.test_slice import slice_model
from tests.ops.test_softmax import softmax
from tests.ops.test_space_to_depth import space_to_depth
from tests.ops.test_split import split
from tests.ops.test_split_v import split_v
from tests.ops.test_squeeze import squeeze
from tests.ops.test_strided_slice import strided_slice
from tests.ops.test_transpose import transpose
from tests.ops.test_unidirectional_sequence_lstm import lstm
from tests.ops.test_unpack import unpack

LAST_SHIFTS = {
    "ADD": (-31, -19, 0),
    "SUB": (-31, -19, 0),
    "MUL": (-31, -7, 15),
    "SQUARED_DIFFERENCE": (-31, -19, 1),
    "DIV": (8, 8, 22),
    "PRELU": (-31, 0, 23),
}
"""Shifts of the last ratio of an operator on two tensors: TFLM's minimum, a common value, and
TFLM's maximum."""

RATIOS = ("usual", "quarter", "half", "power", "smallest", "largest")
"""Ratios of scales: with these shifts, with the shifts -1 and 0, or with a multiplier of 2**30."""


def _fraction(draw: Draw, kind: str, least: int, usual: int, most: int) -> float:
    """A ratio whose shift is between two numbers."""
    shift = {"quarter": -1, "half": 0, "smallest": least, "largest": most}.get(kind, usual)
    fraction = 0.5 if kind == "power" else draw.uniform(0.51, 0.99)
    return float(fraction * 2.0 ** min(max(shift, least), most))


def two_tensors(case: Case, draw: Draw) -> bytes:
    """ADD and similar operators; `shapes` determines the broadcasting."""
    name, channels = case["operator"], case["channels"]
    whole = (2, 3, channels)
    one, other = {
        "same": (whole, whole),
        "channels": (whole, (channels,)),
        "number": (whole, (1, 1, 1)),
        "both": ((2, 1, channels), (1, 3, 1)),
    }[case["shapes"]]
    first, second = {"equal": (0.05, 0.05), "first": (0.5, 0.02), "second": (0.02, 0.5)}[
        case["larger"]
    ]
    if name == "PRELU":
        second = 2.0**-8  # so that products have the same limits as values
    ratio = _fraction(draw, case["ratio"], *LAST_SHIFTS.get(name, (0, 0, 0)))
    common = 2 * max(first, second)
    out = {
        "ADD": common / 2**20 / ratio,
        "SUB": common / 2**20 / ratio,
        "MUL": first * second / ratio,
        "SQUARED_DIFFERENCE": common**2 / 2**14 / ratio,
        "DIV": first / second / ratio,
        "PRELU": first / ratio,
    }.get(name, first)
    points = tuple(point(draw, case[f"{place}_point"]) for place in ("in", "second", "out"))
    if name in ("MAXIMUM", "MINIMUM"):
        second, points = first, points[:1] * 3
    return binary(
        name,
        (one, other),
        (first, second, out),
        points,
        case["activation"] if name in ("ADD", "SUB", "MUL", "DIV") else 0,
        constant=case["constant"],
    )


def one_tensor(case: Case, draw: Draw) -> bytes:
    """ABS and similar operators; TABLE is built as a different one, then replaced."""
    name = case["operator"]
    before, after = point(draw, case["in_point"]), point(draw, case["out_point"])
    least, most = {"HARD_SWISH": (-8, 7)}.get(name, (-31, 23))
    if name == "ELU":
        least, most = -12, 5
    scale = 0.05
    ratio = _fraction(draw, case["ratio"], least, 0, most)
    out = scale / ratio
    if case["ratio"] == "identity":
        before, after, out = -128, -128, scale
    if name in ("LOGISTIC", "TANH"):
        # Their outputs have a fixed scale; for the smallest inputs, they are constant.
        scale = 2.0**-27 if case["ratio"] in ("smallest", "identity") else min(ratio, 8.0)
        out, after = (1 / 256, -128) if name == "LOGISTIC" else (1 / 128, 0)
    if name == "RSQRT":
        before, out = -128, max(1e-7, min(out, 1.0))
    options = alpha_options(float(draw.choice([0.01, 0.3, -0.5]))) if name == "LEAKY_RELU" else None
    shape = (case["batches"], 3, case["channels"])
    real = "ABS" if name == "TABLE" else name
    return unary(real, scale, before, out, after, shape=shape, options=options)


def pooled(case: Case, draw: Draw) -> bytes:
    window = (case["row_window"], case["column_window"])
    same = case["padding"] == "same"
    sizes = [int(draw.integers(1 if same else k, k + 5)) for k in window]
    return pooling(
        case["operator"],
        *sizes,
        channels=case["channels"],
        window=window,
        stride=(case["row_stride"], case["column_stride"]),
        batches=case["batches"],
        same=same,
        activation=case["activation"],
        zero_point=point(draw, case["in_point"]),
    )


def reduced(case: Case, draw: Draw) -> bytes:
    name = case["operator"]
    shape = (case["batches"], int(draw.integers(1, 5)), int(draw.integers(1, 5)), case["channels"])
    points = (point(draw, case["in_point"]), point(draw, case["out_point"]))
    # 2**9 elements of at most 255 steps allow shifts of up to 13.
    out = 0.05 / _fraction(draw, case["ratio"], -20, 0, 13)
    if name.startswith("REDUCE"):
        points, out = points[:1] * 2, 0.05
    return reduction(name, shape, case["axes"], case["keep_dims"], (0.05, out), points)


def moved(case: Case, draw: Draw) -> bytes:
    """Operators that do not change values."""
    channels, axis, two = case["channels"], case["axis"], case["size"]
    shape = (2, two, 3, channels)
    size = shape[axis]
    part = int(draw.integers(size))
    parts = tuple(n for n in (part, size - part) if n)
    amounts = tuple((axis == i, two * (axis <= i)) for i in range(4))
    begin = tuple(part if i == axis else 0 for i in range(4))
    left = tuple(n - b for n, b in zip(shape, begin, strict=True))
    stride = tuple(two if i == axis else 1 for i in range(4))
    order = tuple(int(p) for p in draw.permutation(4))
    in_point = point(draw, case["in_point"])
    models: Mapping[str, Callable[[], bytes]] = {
        "CONCATENATION": lambda: concatenation(shape, (1, two, 3), axis),
        "DEPTH_TO_SPACE": lambda: depth_to_space((*shape[:3], channels * two**2), two),
        "EXPAND_DIMS": lambda: expand_dims(axis % 3, [(1, 2, 3), (2, 1, 3), (2, 3, 1)][axis % 3]),
        "GATHER": lambda: gather(shape, draw.integers(size, size=two), axis),
        "PACK": lambda: pack(shape[1:], two, axis),
        "PAD": lambda: padding("PAD", shape, amounts, zero_point=in_point),
        "PADV2": lambda: padding("PADV2", shape, amounts, 5, in_point),
        "RESHAPE": lambda: reshape(shape, (shape[0] * shape[1], shape[2] * shape[3])),
        "SLICE": lambda: slice_model(shape, begin, left),
        "SPACE_TO_DEPTH": lambda: space_to_depth((2, 2 * two, 3 * two, channels), two),
        "SPLIT": lambda: split(shape, size, axis),
        "SPLIT_V": lambda: split_v(shape, parts, axis),
        "SQUEEZE": lambda: squeeze((0, 2), (3, 2)),
        "STRIDED_SLICE": lambda: strided_slice(shape, begin, shape, stride),
        "TRANSPOSE": lambda: transpose(shape, order),
        "UNPACK": lambda: unpack(shape, axis),
    }
    return models[case["operator"]]()


def resized(case: Case, draw: Draw) -> bytes:
    shape = (case["batches"], case["rows"], case["columns"], case["channels"])
    points = (point(draw, case["in_point"]), point(draw, case["out_point"]))
    size = (case["new_rows"], case["new_columns"])
    if case["operator"] == "RESIZE_NEAREST_NEIGHBOR":
        return resize_nearest(shape, size, *case["centres"], points[0])
    return resize_bilinear(shape, size, *case["centres"], points)


def soft(case: Case, draw: Draw) -> bytes:
    shape = (case["rows"], case["channels"])
    return softmax(shape, case["scale"], case["beta"], point(draw, case["in_point"]))


def matrices(case: Case, draw: Draw) -> bytes:
    rows, depth, columns = case["rows"], case["depth"], case["channels"]
    batch = case["batches"]
    left = (depth, rows) if case["adj_x"] else (rows, depth)
    right = (columns, depth) if case["adj_y"] else (depth, columns)
    points = tuple(point(draw, case[f"{place}_point"]) for place in ("in", "second", "out"))
    most = int(np.log2((2**31 - 129) / (depth * 255 * 255)))
    ratio = _fraction(draw, case["ratio"], -31, -8, most)
    return batch_matmul(
        (batch, *left),
        (1, *right) if case["broadcast"] else (batch, *right),
        case["adj_x"],
        case["adj_y"],
        case["constant"],
        points,
        output_scale=0.05 * 0.07 / ratio,
    )


def recurrent(case: Case, draw: Draw) -> bytes:
    return lstm(
        batches=case["batches"],
        steps=case["steps"],
        inputs=case["channels"],
        units=case["outputs"],
        time_major=case["time_major"],
        clip=case["clip"],
        cell_power=case["cell_power"],
        zero_points=(point(draw, case["in_point"]), point(draw, case["out_point"])),
        weight_scale=case["weight_scale"],
        seed=int(draw.integers(1000)),
    )
