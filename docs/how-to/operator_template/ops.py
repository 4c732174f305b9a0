"""MIRROR_PAD: a border that mirrors what is inside.

The first sentence, after the name, becomes the column "supported" of the reference.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import MalformedError, Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape, quantization


class Mode(enum.Enum):
    """The value is TensorFlow Lite's number."""

    REFLECT = 0  # 2 1 | 0 1 2
    SYMMETRIC = 1  # 1 0 | 0 1 2


@dataclass(frozen=True, slots=True)
class MirrorPadOptions:
    """Options of the operator; leave this class and parse() out if there are none."""

    mode: Mode


def parse(table: Table | None) -> MirrorPadOptions:
    # Fields are numbered as in TensorFlow Lite's schema.fbs. A table that is absent means defaults.
    number = 0 if table is None else table.int8(0)
    try:
        return MirrorPadOptions(Mode(number))
    except ValueError:
        raise MalformedError(f"mirror pad mode number {number}") from None


def amounts(view: NodeView) -> tuple[tuple[int, int], ...]:
    """Elements before and after every axis."""
    numbers = integers(view.input(1))
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def check(view: NodeView) -> None:
    # Everything that a file can contain and that TFLM does not compute, or that we do not.
    check_counts(view, (2,))
    source, out = view.input(), view.output()
    check_int8(view, source, out)
    check_dimensions(view, source, range(1, 5))
    check_integers(view, view.input(1), "paddings", 2 * len(source.shape))
    view.require(
        quantization(source) == quantization(out),
        "its input and output have different quantisations",
        "Convert the model with full int8 quantisation (inference type int8).",
    )
    beyond = 1 if view.options.mode is Mode.REFLECT else 0
    view.require(
        all(
            0 <= amount <= size - beyond
            for size, pair in zip(source.shape, amounts(view), strict=True)
            for amount in pair
        ),
        f"its paddings are {[list(pair) for pair in amounts(view)]}",
        "Use paddings smaller than the input.",
    )
    padded = (a + n + b for n, (a, b) in zip(source.shape, amounts(view), strict=True))
    check_shape(view, out, tuple(padded))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    # Only arithmetic/ rounds: multiply_by_quantized_multiplier() and the like.
    (source, _) = inputs
    assert source is not None
    if view.options.mode is Mode.REFLECT:
        return (np.pad(source, amounts(view), mode="reflect"),)
    return (np.pad(source, amounts(view), mode="symmetric"),)


OPERATOR = Operator(
    name="MIRROR_PAD",
    code=100,  # in BuiltinOperator of the schema
    max_version=2,  # the highest that TensorFlow Lite has
    options_type=77,  # in BuiltinOptions of the schema
    parse=parse,
    check=check,
    reference=reference,
    refuses="amounts that are computed, or larger than the input",
)
