"""RESIZE_BILINEAR: resize_bilinear.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.ops.resize_bilinear import positions_of


class ResizeWork(NamedTuple):
    """Work of one call, of the output."""

    calls: int
    rows: int
    pixels: int
    elements: int


def _lower(view: NodeView) -> KernelCall:
    source, out = view.input(), view.output()
    rows, columns = positions_of(view, 1), positions_of(view, 2)
    return KernelCall(
        fields=(
            ("batches", source.shape[0]),
            ("input_height", source.shape[1]),
            ("input_width", source.shape[2]),
            ("channels", source.shape[3]),
            ("output_height", out.shape[1]),
            ("output_width", out.shape[2]),
            ("step_y", rows.step),
            ("step_x", columns.step),
            ("start_y", rows.start),
            ("start_x", columns.start),
        ),
        arguments=(Input(0), Output()),
    )


def _work(view: NodeView) -> ResizeWork:
    batches, height, width, channels = view.output().shape
    rows = batches * height
    return ResizeWork(1, rows, rows * width, rows * width * channels)


RESIZE_BILINEAR = Kernel("resize_bilinear", "resize_bilinear.h", _lower, _work)
