"""DEPTH_TO_SPACE: channels become blocks of pixels."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.ops.space_to_depth import check_blocks, parse
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_shape
from tflm_ext.opslib.movement import rearrange_reference


def check(view: NodeView) -> None:
    block = check_blocks(view)
    batches, height, width, channels = view.input().shape
    view.require(
        channels % (block * block) == 0,
        f"its {channels} channels cannot be divided into blocks of {block} x {block} pixels",
        f"Use a number of channels that is a multiple of {block * block}.",
    )
    check_shape(
        view,
        view.output(),
        (batches, height * block, width * block, channels // (block * block)),
    )


def rearrange(view: NodeView, source: Array) -> Array:
    batches, height, width, channels = source.shape
    block = view.options.size
    rows = source.reshape(batches * height, width, block, channels // block)
    return rows.transpose(0, 2, 1, 3)


OPERATOR = Operator(
    name="DEPTH_TO_SPACE",
    code=5,
    max_version=2,
    options_type=94,
    parse=parse,
    check=check,
    reference=rearrange_reference(rearrange),
)
