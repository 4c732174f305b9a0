"""Constant tables of calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tflm_ext.ir import NodeView
from tflm_ext.kernels import Const, Input, Inputs, KernelCall


@dataclass(frozen=True, slots=True)
class Table:
    """A constant table of the model, stored once even if several operators use it.

    Attributes:
        symbol: C name without the model's prefix: "op03_weights".
    """

    symbol: str
    const: Const

    @property
    def bytes(self) -> int:
        return len(self.const.data)


def constants(view: NodeView, call: KernelCall) -> tuple[Const, ...]:
    """Return the constant tables of a call, including constant inputs, in argument order."""
    found = []
    for argument in call.arguments:
        indices: Iterable[int] = ()
        if isinstance(argument, Const):
            found.append(argument)
        elif isinstance(argument, Input):
            indices = (argument.index,)
        elif isinstance(argument, Inputs):
            indices = range(view.input_count)
        for i in indices:
            root = view.graph.tensors[view.graph.storage(view.node.inputs[i])]
            if root.data is not None:
                found.append(Const(f"input{i}", root.dtype, root.data, shape_layout(root.shape)))
    return tuple(found)


def content(const: Const) -> Const:
    """Return what makes two tables equal: their bytes, regardless of their roles."""
    return Const("", const.dtype, const.data, "")


def shape_layout(shape: tuple[int, ...]) -> str:
    """Return the layout of a tensor with no special order: "[2][3]"."""
    return "".join(f"[{size}]" for size in shape) or "a scalar"
