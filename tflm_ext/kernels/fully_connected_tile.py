"""FULLY_CONNECTED by tiles of four filters: fully_connected_tile.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Scratch, once_per_node
from tflm_ext.kernels.packing import QUAD, Filters, layer_filters, word_stream
from tflm_ext.ops.fully_connected import bias_of


class DenseTileWork(NamedTuple):
    """Work of one call.

    Attributes:
        quads: of the input, widened.
        tiles, tile_octets: groups of four outputs, and the groups of eight values they multiply.
        left, left_octets: outputs left over, likewise.
    """

    calls: int
    rows: int
    quads: int
    tiles: int
    tile_octets: int
    left: int
    left_octets: int


def lower(filters: Filters, rows: int) -> KernelCall:
    """The call of the kernel: filters on each of some rows of input 0."""
    units, depth = filters.values.shape
    octets = -(-depth // (2 * QUAD))
    bias, scales = filters.scales[:, 0], filters.scales[:, 1:]
    shared = bool((scales == scales[0]).all())
    which = "for all outputs " if shared else f"[output {units}]"
    scales_layout = f"{which}[multiplier, -2^(32 - right shift)]"
    return KernelCall(
        fields=(
            ("rows", rows),
            ("input_size", depth),
            ("output_size", units),
            ("octets", octets),
            ("scale_step", 0 if shared else 2),
            ("output_zero_point", filters.zero_point),
        ),
        arguments=(
            Input(0),
            word_stream(
                filters,
                4,
                2 * QUAD,
                lambda start, stop: bias[start:stop],
                ("4 doubled biases", "1 doubled bias"),
            ),
            Const.of("scales", DType.INT32, scales[0] if shared else scales, scales_layout),
            Scratch("column", 4 * QUAD * octets, DType.INT32),
            Output(),
        ),
        limits=filters.limits,
    )


def work(depth: int, out: Tensor) -> DenseTileWork:
    """The work of the kernel for columns of `depth` values."""
    units = out.shape[-1]
    rows = out.elements // units
    tiles, left = divmod(units, 4)
    octets = -(-depth // (2 * QUAD))
    return DenseTileWork(
        1,
        rows,
        rows * (depth // QUAD),
        rows * tiles,
        rows * tiles * octets,
        rows * left,
        rows * left * octets,
    )


@once_per_node
def filters_of(view: NodeView) -> Filters:
    weights = view.input(1)
    return layer_filters(view, weights.array(), view.input(0), weights, bias_of(view))


def _applies(view: NodeView) -> bool:
    return filters_of(view).has_pairs


def rows_of(view: NodeView) -> int:
    out = view.output()
    return out.elements // out.shape[-1]


def _lower(view: NodeView) -> KernelCall:
    return lower(filters_of(view), rows_of(view))


def work_of(view: NodeView) -> DenseTileWork:
    return work(view.input(1).shape[1], view.output())


FULLY_CONNECTED = Kernel(
    "fully_connected_tile", "fully_connected_tile.h", _lower, work_of, _applies
)
