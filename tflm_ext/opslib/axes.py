"""Axes and small integer constants that operators read as inputs; all of them are untrusted."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.opslib.common import check_constant

DAMAGED = "The file is damaged or was written by an unknown converter; convert the model again."


def check_axis(view: NodeView, axis: int, rank: int) -> None:
    """Require a valid axis for this rank; `axis % rank` is then not negative."""
    view.require(
        -rank <= axis < rank,
        f"it works along axis {axis} of a tensor with {rank} dimensions",
        DAMAGED,
    )


def check_dimensions(view: NodeView, tensor: Tensor, ranks: range) -> None:
    """Require a number of dimensions that TFLM supports."""
    view.require(
        len(tensor.shape) in ranks,
        f"it has {len(tensor.shape)} dimensions, but TensorFlow Lite Micro allows {ranks[0]} to "
        f"{ranks[-1]} here",
        "Reshape the tensor before the layer, or split the layer.",
        tensor,
    )


def check_integers(
    view: NodeView,
    tensor: Tensor,
    role: str,
    count: int | None = None,
    dtypes: Sequence[DType] = (DType.INT32,),
) -> None:
    """Require constant integers, and exactly `count` of them if it is given."""
    check_constant(view, tensor, role)
    view.require(
        tensor.dtype in dtypes and count in {None, tensor.elements},
        f"the {role} cannot be {tensor.elements} elements of type {tensor.dtype.value}",
        DAMAGED,
        tensor,
    )


def integers(tensor: Tensor) -> tuple[int, ...]:
    """Return the values of a tensor that check_integers accepted."""
    return tuple(tensor.array().ravel().tolist())
