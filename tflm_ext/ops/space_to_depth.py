"""SPACE_TO_DEPTH: blocks of pixels become channels."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape
from tflm_ext.opslib.movement import rearrange_reference


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """Options of SPACE_TO_DEPTH and DEPTH_TO_SPACE."""

    size: int


def parse(table: Table | None) -> BlockOptions:
    return BlockOptions(0 if table is None else table.int32(0))


def check_blocks(view: NodeView) -> int:
    """Check what both operators need, and return the block size."""
    options: BlockOptions = view.options
    check_counts(view, (1,))
    check_int8(view, view.input(), view.output())
    check_dimensions(view, view.input(), range(4, 5))
    view.require(options.size >= 1, f"its block size is {options.size}", DAMAGED)
    return options.size


def check(view: NodeView) -> None:
    block = check_blocks(view)
    batches, height, width, channels = view.input().shape
    view.require(
        height % block == 0 and width % block == 0,
        f"an image of {height} x {width} pixels cannot be divided into blocks of {block} x {block}",
        f"Pad or crop the image before the layer to multiples of {block}.",
    )
    check_shape(
        view, view.output(), (batches, height // block, width // block, channels * block * block)
    )


def rearrange(view: NodeView, source: Array) -> Array:
    batches, height, width, _ = view.output().shape
    block = view.options.size
    blocks = source.reshape(batches * height, block, width, block * source.shape[3])
    return blocks.transpose(0, 2, 1, 3)


OPERATOR = Operator(
    name="SPACE_TO_DEPTH",
    code=26,
    max_version=2,
    options_type=19,
    parse=parse,
    check=check,
    reference=rearrange_reference(rearrange),
)
