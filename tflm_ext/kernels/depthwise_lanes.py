"""What kernels of DEPTHWISE_CONV_2D have in common that compute four channels at a time."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Times, once_per_node
from tflm_ext.kernels.packing import Filters, layer_filters
from tflm_ext.ops.depthwise_conv_2d import axes_of, bias_of
from tflm_ext.opslib.windows import Axis

LANES = 4  # channels of a line


@once_per_node
def filters_of(view: NodeView) -> Filters:
    weights = view.input(1)
    taps = weights.array().reshape(-1, weights.shape[3]).T
    return layer_filters(view, taps, view.input(0), weights, bias_of(view))


def image_fields(view: NodeView, rows: Axis, columns: Axis) -> tuple[tuple[str, int], ...]:
    """The first fields of these kernels."""
    batches, _, _, channels = view.input(0).shape
    return (
        ("batches", batches),
        ("input_height", rows.size),
        ("input_width", columns.size),
        ("channels", channels),
    )


def requant_words_of(filters: Filters) -> tuple[Array, str]:
    """(channels, 2 or 3) in the table of kernels that expand it, and what layouts call them."""
    if filters.has_requant_words:
        return filters.requant_words, "2 requant words"
    return filters.scales, "3 scale words"


def words_of(taps: Array) -> Array:
    """(channels, words) of taps (channels, ...), with four bytes in a word."""
    data = np.ascontiguousarray(taps.astype(np.int8)).reshape(len(taps), -1)
    words: Array = data.view("<i4").astype(np.int64)
    return words


def pair_words_of(taps: Array) -> Array:
    """(channels, words) of taps (channels, ...): a word has taps 0, 2, 1, 3 of every four."""
    return words_of(taps.reshape(len(taps), -1, 2, 2).transpose(0, 1, 3, 2))


def pair_order(rows: int, columns: int) -> str:
    """The layout of pair_words_of(): the order of a channel's taps, in rows of an even length."""
    even = f"{columns}, and a 0" if columns % 2 else str(columns)
    return f"taps [y {rows}][x {even}], in bytes 0, 2, 1, 3 of every four"


def lane_times(
    image: tuple[int, ...],
    taken: Array,
    out: tuple[int, int],
    written: Array,
    rounds: int,
    *,
    rows_first: bool = False,
) -> tuple[Times, ...]:
    """Times of a kernel that processes the rows of four channels at a time.

    Args:
        image: (batch, height, width, channels) of the input. If the channels are not a multiple of
            four, some are computed again after their input was overwritten: no times are given.
        taken: (rows of the input,), the round in which each is read; -1 if never.
        out: height and width of the output.
        written: (rows of the output,), the round in which each is written.
        rounds: of each image.
        rows_first: whether a round is finished for all channels before the next round.
    """
    batches, _, width, channels = image
    if channels % LANES:
        return ()
    groups = channels // LANES
    batch = np.arange(batches).reshape(-1, 1, 1, 1)
    group = np.arange(channels) // LANES

    def steps(round_of_row: Array, columns: int) -> Array:
        of_row = round_of_row.reshape(1, -1, 1, 1)
        if rows_first:
            found = (batch * rounds + of_row) * groups + group
        else:
            found = (batch * groups + group) * rounds + of_row
        found = np.where(of_row < 0, -1, found)
        return np.broadcast_to(found, (batches, of_row.size, columns, channels)).reshape(-1)

    return (Times(steps(taken, width), steps(written, out[1])),)


def groups_of(view: NodeView) -> int:
    """Groups of four channels in all images of the batch."""
    image = view.input(0).shape
    return image[0] * -(-image[3] // LANES)


def applies(view: NodeView) -> bool:
    return view.options.depth_multiplier == 1 and view.input(0).shape[3] >= LANES


def has_requant_words(view: NodeView) -> bool:
    return applies(view) and filters_of(view).has_requant_words


def line_axes(view: NodeView) -> tuple[Axis, Axis]:
    """Rows and columns; an image of one column is turned into one of one row, with longer lines."""
    rows, columns = axes_of(view)
    upright = (columns.size, columns.window, columns.out, columns.before) == (1, 1, 1, 0)
    return (columns, rows) if upright else (rows, columns)
