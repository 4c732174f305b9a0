"""Code shared by operators that move elements without changing them.

An operator that rearranges a tensor is a function from an array to a NumPy view of this array. The
reference copies the view; the kernel receives the view's shape and strides.
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
    """Return the reference of an operator that rearranges its input 0."""

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        source = inputs[0]
        assert source is not None
        return (rearrange(view, source).reshape(view.output().shape),)

    return reference
