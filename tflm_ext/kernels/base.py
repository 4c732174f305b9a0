"""What a kernel is: the contract between kernels/, plan/, emit/ and the C in templates/kernels/."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import DType, Limits, NodeView, Tensor


@dataclass(frozen=True, slots=True)
class Const:
    """A const table of the generated code. Equal tables are stored once.

    Attributes:
        role: its meaning for the operator, part of its C name: "weights", "bias", "multipliers".
        dtype: element type.
        data: little-endian bytes.
        layout: shape and order in one line, as the generated code prints it, so that a reader can
            find a single value: "[filter 8][y 3][x 3][channel 4]". The words of packed tables are
            explained by TERMS in packing.py.
    """

    role: str
    dtype: DType
    data: bytes
    layout: str

    @classmethod
    def of(cls, role: str, dtype: DType, values: Any, layout: str) -> Const:
        """A table of integers, checked to fit the type.

        Raises:
            OverflowError: a value does not fit, which is a bug of tflm_ext.
        """
        array = np.asarray(values)
        cast = np.ascontiguousarray(array.astype(dtype.numpy))
        if not np.array_equal(cast.astype(np.float64), array.astype(np.float64)):
            raise OverflowError(f"{role}: a value does not fit into {dtype.value}")
        return cls(role, dtype, cast.tobytes(), layout)


@dataclass(frozen=True, slots=True)
class Input:
    """Argument: the node's i-th input, in the arena or, when constant, as a const table."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """Argument: the node's i-th output in the arena."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """Argument: every input of the node, as an array of pointers in C."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Argument: every output of the node, as an array of pointers in C."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Argument: bytes of the arena that live during this call only, aligned to 4.

    Attributes:
        role: what the kernel keeps there, which names the pointer in C: "columns".
    """

    role: str
    bytes: int
    dtype: DType = DType.INT8


_Result = TypeVar("_Result")

Argument: TypeAlias = Input | Output | Inputs | Outputs | Const | Scratch
FieldValue: TypeAlias = "int | tuple[FieldValue, ...]"
Work: TypeAlias = NamedTuple
"""How often the parts of a kernel's code run in a call: a NamedTuple of each kernel.

Its fields are the columns of the kernel's rows in the cost tables.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When a call last reads each byte of an input, and first writes each byte of output 0.

    Times count steps of the kernel; in each step, all reads come before the writes. They are given
    for inputs that output 0 may share bytes with if no later operator reads them, and prove that
    an overlap of the two is safe; see plan/overlap.py.

    Attributes:
        last_read: (bytes of the input,), -1 if never read.
        first_write: (bytes of output 0,).
        anywhere: whether any overlap is possible that these times allow; else the output may only
            begin at the address of the input.
        input: number of the input.
    """

    last_read: Array
    first_write: Array
    anywhere: bool = False
    input: int = 0


def one_by_one(output: Tensor, index: int = 0) -> Times:
    """Times of a kernel that writes each element where it read one of the same size."""
    steps = np.arange(output.bytes) // output.dtype.size
    return Times(steps, steps, input=index)


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One call of a kernel, with all parameters computed.

    In C: `tflm_ext_<kernel>(&op, <arguments in this order>)`, where op is a `static const
    tflm_ext_<kernel>_t` with these fields. Pointers have the element type of their targets.

    Attributes:
        fields: name and value of every member of the kernel's parameter struct, in its order; a
            tuple is an array or a nested struct.
        arguments: the targets of the kernel's pointers, in its order.
        times: of its reads and writes, for each input that output 0 may share bytes with.
        limits: of output 0, for kernels that only limit it to its type; see output_limits(). A call
            of the kernel in LIMITS follows.
    """

    fields: tuple[tuple[str, FieldValue], ...]
    arguments: tuple[Argument, ...]
    times: tuple[Times, ...] = ()
    limits: Limits | None = None

    @property
    def scratch_bytes(self) -> int:
        return sum(a.bytes for a in self.arguments if isinstance(a, Scratch))


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to run an operator.

    Attributes:
        name: C function tflm_ext_<name>, parameter struct tflm_ext_<name>_t.
        header: file in templates/kernels/ that defines it.
        lower: computes all constants of a call.
        work: how often the parts of its code run in a call; instructions and cycles are linear in
            its fields, with the coefficients in the core's cost tables.
        applies: whether the kernel can run the node.
    """

    name: str
    header: str
    lower: Callable[[NodeView], KernelCall]
    work: Callable[[NodeView], Work]
    applies: Callable[[NodeView], bool] = lambda view: True


def once_per_node(function: Callable[[NodeView], _Result]) -> Callable[[NodeView], _Result]:
    """Remember the results of a pure function for every node of a graph."""

    @functools.wraps(function)
    def remembered(view: NodeView) -> _Result:
        memo, key = view.graph.memo, (function, view.node.outputs)
        if key not in memo:
            memo[key] = function(view)
        result: _Result = memo[key]
        return result

    return remembered


LIMIT = "limit"
LIMITS: Mapping[DType, str] = {DType.INT8: LIMIT}
"""By element type the kernel that limits the output of calls with limits, and its header."""


def output_limits(dtype: DType, low: int, high: int) -> Limits | None:
    """KernelCall.limits, None where the element type is limited no further."""
    limits = Limits(dtype, low, high)
    return None if limits.whole else limits


class ElementsWork(NamedTuple):
    """Work of a kernel that does the same for every element of its output."""

    calls: int
    elements: int


def work_by_elements(view: NodeView) -> ElementsWork:
    """Work by the elements of the output."""
    return ElementsWork(1, view.output().elements)


def requantization_tables(multipliers: Sequence[int], shifts: Sequence[int]) -> tuple[Const, Const]:
    """The two tables of a requantisation per channel."""
    layout = f"[channel {len(multipliers)}]"
    return (
        Const.of("multipliers", DType.INT32, multipliers, layout),
        Const.of("shifts", DType.INT8, shifts, f"{layout}, negative values shift right"),
    )
