"""Operators that move the elements of one tensor: rearrange.h."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import NodeView, Tensor
from tflm_ext.kernels.base import FieldValue, Input, Kernel, KernelCall, Output, Times
from tflm_ext.ops import depth_to_space, space_to_depth, strided_slice, transpose
from tflm_ext.ops import slice as slice_
from tflm_ext.opslib.movement import Rearrange


class RearrangeWork(NamedTuple):
    """Work of one call.

    Attributes:
        rounds: of the three outer loops together.
        rows: of the fourth loop, over all rounds.
        single_bytes: moved one by one.
        runs, run_bytes: runs of several bytes, and their bytes.
    """

    calls: int
    rounds: int
    rows: int
    single_bytes: int
    runs: int
    run_bytes: int


Fields: TypeAlias = tuple[tuple[str, FieldValue], ...]

_RANK = 5
_MOST_TIMED = 1 << 20  # bytes; a file may declare any size, and every byte takes 50 here


def box_fields(source: Array, source_view: Array, target: Array, target_view: Array) -> Fields:
    """The parameters of the rearrange kernel.

    Args:
        source: a contiguous array.
        source_view: a view of it: what to read, in order.
        target: a contiguous array of the same element type.
        target_view: a view of it in the shape of source_view: where to write.
    """
    run = source.itemsize
    box: list[tuple[int, int, int]] = []
    for size, read, write in zip(
        source_view.shape, source_view.strides, target_view.strides, strict=True
    ):
        if size == 1:
            continue
        if box and box[-1][1:] == (size * read, size * write):
            size *= box.pop()[0]  # noqa: PLW2901 - joins this axis with the one before
        box.append((size, read, write))
    if box and box[-1][1:] == (run, run):
        run *= box.pop()[0]
    box = [(1, 0, 0)] * (_RANK - len(box)) + box
    shape, reads, writes = zip(*box, strict=True)
    return (
        ("source_start", _address(source_view) - _address(source)),
        ("target_start", _address(target_view) - _address(target)),
        ("shape", shape),
        ("source_strides", reads),
        ("target_strides", writes),
        ("run", run),
    )


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def empty(tensor: Tensor) -> Array:
    """An array like the tensor, of which only the address matters."""
    return np.empty(tensor.shape, tensor.dtype.numpy)


def rearrange_kernel(rearrange: Rearrange) -> Kernel:
    """The kernel of an operator that rearranges its input 0, with at most five strides."""

    def lower(view: NodeView) -> KernelCall:
        source = empty(view.input())
        moved = rearrange(view, source)
        target = np.empty(moved.shape, source.dtype)
        fields = box_fields(source, moved, target, target)
        return KernelCall(
            fields=fields,
            arguments=(Input(0), Output()),
            times=_times(dict(fields), source.nbytes, target.nbytes),
        )

    def work(view: NodeView) -> RearrangeWork:
        return box_work(lower(view).fields)

    return Kernel("rearrange", "rearrange.h", lower, work)


def box_work(box: Fields) -> RearrangeWork:
    """The work of the kernel with these parameters."""
    fields = dict(box)
    shape, run = fields["shape"], fields["run"]
    assert isinstance(shape, tuple)
    assert isinstance(run, int)
    a, b, c, rows, runs = (size for size in shape if isinstance(size, int))
    outer = a * b * c
    count = outer * rows * runs
    single, several = (count, 0) if run == 1 else (0, count)
    return RearrangeWork(1, outer, outer * rows, single, several, several * run)


def _times(fields: dict[str, FieldValue], source: int, target: int) -> tuple[Times, ...]:
    """One step for each run, in the order of the box; none for sizes beyond any board's memory."""
    if max(source, target) > _MOST_TIMED:
        return ()
    shape, run = cast("tuple[int, ...]", fields["shape"]), cast("int", fields["run"])
    steps = np.arange(np.prod(shape))

    def addresses(kind: str) -> Array:
        """(runs, bytes of one)."""
        strides = cast("tuple[int, ...]", fields[f"{kind}_strides"])
        axes = [np.arange(n) * stride for n, stride in zip(shape, strides, strict=True)]
        places: Array = reduce(np.add.outer, [*axes, np.arange(run)])
        return cast("int", fields[f"{kind}_start"]) + places.reshape(-1, run)

    last_read, first_write = np.full(source, -1), np.full(target, len(steps))
    last_read[addresses("source")] = steps[:, np.newaxis]
    first_write[addresses("target")] = steps[:, np.newaxis]
    return (Times(last_read, first_write),)


DEPTH_TO_SPACE = rearrange_kernel(depth_to_space.rearrange)
SLICE = rearrange_kernel(slice_.rearrange)
SPACE_TO_DEPTH = rearrange_kernel(space_to_depth.rearrange)
STRIDED_SLICE = rearrange_kernel(strided_slice.rearrange)
TRANSPOSE = rearrange_kernel(transpose.rearrange)
