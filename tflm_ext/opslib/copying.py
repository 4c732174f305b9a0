"""Code shared by operators that only change a tensor's shape."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import Array


def check_copy(view: NodeView) -> None:
    """Require the same element type and number of elements for input and output."""
    source, target = view.input(0), view.output()
    view.require(
        source.dtype is target.dtype and source.elements == target.elements,
        f"it cannot turn {source.dtype.value} {list(source.shape)} into {target.dtype.value} "
        f"{list(target.shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values = inputs[0]
    assert values is not None
    return (values.reshape(view.output().shape),)
