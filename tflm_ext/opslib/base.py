"""What an operator is: the contract of ops/ and of all that reads graphs.

To add one, copy the file of a similar operator, write its test, and add one line to OPERATORS in
ops/__init__.py. docs/how-to/add-an-operator.md walks through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView

Array: TypeAlias = np.ndarray[Any, Any]


def no_options(table: Table | None) -> None:
    """parse of an operator without options."""
    return None


def no_macs(view: NodeView) -> int:
    """macs of an operator that multiplies nothing by weights."""
    return 0


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of TensorFlow Lite, exactly as TFLM computes it.

    Attributes:
        name: TensorFlow Lite's name, like "CONV_2D".
        code: its BuiltinOperator number in TensorFlow Lite's schema.
        max_version: the highest operator version known to mean what we compute.
        check: raises UnsupportedModelError for a node that this project does not run; every later
            stage relies on it, so it checks shapes, types, quantisation and option values, all
            untrusted.
        reference: bit-exact NumPy; gets the node and the values of its inputs (None where an
            optional input is absent), returns the values of its outputs, each in the output's
            shape and type.
        parse: options table of the flatbuffer (None if absent) to a frozen options dataclass.
        options_type: which table that is, a number of BuiltinOptions in the schema; None for an
            operator without options. TFLM takes the table of another operator for no options, and
            so a file that mixes them up would not mean what it says.
        macs: multiply-accumulate operations of one call.
        keeps_state: reads and writes variable tensors.
        refuses: for the documentation, what check does not accept although the operator has it.
    """

    name: str
    code: int
    max_version: int
    check: Callable[[NodeView], None]
    reference: Callable[[NodeView, Sequence[Array | None]], tuple[Array, ...]]
    parse: Callable[[Table | None], Any] = no_options
    options_type: int | None = None
    macs: Callable[[NodeView], int] = no_macs
    keeps_state: bool = False
    refuses: str = ""
