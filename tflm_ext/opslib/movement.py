"""Operators that move elements and change none: what they share.

An operator that rearranges one tensor is one function from an array to a NumPy view of it. The
reference copies the view; the kernel gets the view's shape and strides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import (
    Array,
)

Rearrange: TypeAlias = Callable[[NodeView, Array], Array]


def rearrange_reference(
    rearrange: Rearrange,
) -> Callable[[NodeView, Sequence[Array | None]], tuple[Array, ...]]:
    """The reference of an operator that rearranges its input 0."""

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        source = inputs[0]
        assert source is not None
        return (rearrange(view, source).reshape(view.output().shape),)

    return reference
