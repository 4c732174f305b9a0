"""The contract of an operator, between ops/ and all code that reads graphs.

docs/how-to/add-an-operator.md adds one step by step; it has files to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import Limits, NodeView

Array: TypeAlias = np.ndarray[Any, Any]


def no_options(table: Table | None) -> None:
    """The `parse` of an operator without options."""
    return None


def no_macs(view: NodeView) -> int:
    """The `macs` of an operator without multiplications by weights."""
    return 0


def no_limits(view: NodeView, index: int) -> None:
    """limits of an operator that takes every value of its inputs."""
    return None


def no_inputs(view: NodeView) -> Sequence[int]:
    """moves of an operator that computes its outputs."""
    return ()


def first_input(view: NodeView) -> Sequence[int]:
    """moves of an operator that rearranges its input 0."""
    return (0,)


def every_input(view: NodeView) -> Sequence[int]:
    """moves of an operator that joins its inputs."""
    return range(view.input_count)


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of TensorFlow Lite, exactly as TFLM computes it.

    Attributes:
        name: TensorFlow Lite's name, like "CONV_2D".
        code: its BuiltinOperator number in TensorFlow Lite's schema.
        max_version: the highest operator version that is known to have this meaning.
        check: raises UnsupportedModelError for a node that is not supported. Every later stage
            relies on it, so it checks shapes, types, quantisation and option values, which are all
            untrusted.
        reference: bit-exact NumPy. Takes the node and the values of its inputs (None for an
            optional input that is absent), and returns the values of its outputs, each in the
            output's shape and type.
        parse: converts the options table of the FlatBuffer (None if absent) to a frozen dataclass.
        options_type: the BuiltinOptions number of that table in the schema; None for an operator
            without options. A file with the table of a different operator is refused, because
            TFLM would ignore the options in it.
        macs: multiply-accumulate operations of one call.
        limits: of its input `index`; None if TFLM accepts every value of the element type there.
        moves: numbers of the inputs that its outputs are made of, if it only moves elements: what
            limits an output then limits these inputs.
        keeps_state: whether it reads and writes variable tensors.
        refuses: for the documentation, what `check` rejects although the operator allows it.
    """

    name: str
    code: int
    max_version: int
    check: Callable[[NodeView], None]
    reference: Callable[[NodeView, Sequence[Array | None]], tuple[Array, ...]]
    parse: Callable[[Table | None], Any] = no_options
    options_type: int | None = None
    macs: Callable[[NodeView], int] = no_macs
    limits: Callable[[NodeView, int], Limits | None] = no_limits
    moves: Callable[[NodeView], Sequence[int]] = no_inputs
    keeps_state: bool = False
    refuses: str = ""
