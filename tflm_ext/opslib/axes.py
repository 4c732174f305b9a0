"""Axes and small integer constants that operators take as inputs, all untrusted."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.opslib.common import check_constant

DAMAGED = "The file is damaged or was written by an unknown converter."


def check_axis(view: NodeView, axis: int, rank: int) -> None:
    """Require an axis of a tensor of this rank; axis % rank is then the axis from the front."""
    view.require(
        -rank <= axis < rank, f"it works along axis {axis} of a tensor of rank {rank}", DAMAGED
    )


def check_dimensions(view: NodeView, tensor: Tensor, ranks: range) -> None:
    """Require as many dimensions as TFLM runs."""
    view.require(
        len(tensor.shape) in ranks,
        f"it has {len(tensor.shape)} dimensions, TensorFlow Lite Micro takes {ranks[0]} to "
        f"{ranks[-1]}",
        "Reshape the tensor in front of the layer, or split the layer.",
        tensor,
    )


def check_integers(
    view: NodeView,
    tensor: Tensor,
    role: str,
    count: int | None = None,
    dtypes: Sequence[DType] = (DType.INT32,),
) -> None:
    """Require constant integers, so many of them if count is given."""
    check_constant(view, tensor, role)
    view.require(
        tensor.dtype in dtypes and count in {None, tensor.elements},
        f"its {role} has {tensor.elements} elements of type {tensor.dtype.value}",
        DAMAGED,
        tensor,
    )


def integers(tensor: Tensor) -> tuple[int, ...]:
    """The values of a tensor that check_integers accepted."""
    return tuple(tensor.array().ravel().tolist())
