"""What an operator is: the contract of ops/, plan/, emit/ and the kernels in templates/kernels/.

To add one, copy the file of a similar operator, write its kernel header and its test, and add one
line to OPERATORS in ops/__init__.py. docs/how-to/add-an-operator.md walks through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import DType, Node, NodeView

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Const:
    """A const table of the generated code. Equal tables are stored once.

    Attributes:
        role: what it is for the operator, part of its C name: "weights", "bias", "multipliers".
        dtype: element type.
        data: little-endian bytes.
    """

    role: str
    dtype: DType
    data: bytes

    @classmethod
    def of(cls, role: str, dtype: DType, values: Any) -> Const:
        """A table of integers, checked to fit the type.

        Raises:
            OverflowError: a value does not fit; a bug of ours, never the user's.
        """
        array = np.asarray(values)
        cast = np.ascontiguousarray(array.astype(dtype.numpy))
        if not np.array_equal(cast.astype(np.float64), array.astype(np.float64)):
            raise OverflowError(f"{role}: a value does not fit into {dtype.value}")
        return cls(role, dtype, cast.tobytes())


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
    """Argument: bytes of the arena that live during this call only, aligned to 4."""

    bytes: int
    dtype: DType = DType.INT8


Argument: TypeAlias = Input | Output | Inputs | Outputs | Const | Scratch
FieldValue: TypeAlias = "int | tuple[FieldValue, ...]"
Work: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When a call reads an input for the last time, and writes output 0 for the first.

    Times count steps of the kernel, in each of which all reads come before the writes. They are
    given for inputs that output 0 may share bytes with when they die here, and overlaps of the two
    are proven with them, see plan/overlap.py.

    Attributes:
        last_read: (bytes of the input,), -1 where it is never read.
        first_write: (bytes of output 0,).
        anywhere: whether the kernel may be given any overlap that these times allow; else the
            output may only begin where the input does.
        input: number of the input.
    """

    last_read: Array
    first_write: Array
    anywhere: bool = False
    input: int = 0


def one_by_one(count: int, index: int = 0) -> Times:
    """Of a kernel that reads and writes as many bytes as there are, each where it was read."""
    steps = np.arange(count)
    return Times(steps, steps, input=index)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel, all integers final.

    In C: `tflm_ext_<kernel>(&op, <arguments in this order>)`, where op is a `static const
    tflm_ext_<kernel>_t` with these fields. Pointers have the element type of what they point to.

    Attributes:
        fields: name and value of every member of the kernel's parameter struct, in its order; a
            tuple is an array or a nested struct.
        arguments: what the kernel's pointers point to, in its order.
        times: of its reads and writes, for each input that output 0 may share bytes with.
        limits: smallest and largest value of output 0, for kernels that only limit it to int8; see
            output_limits(). A call of LIMIT follows.
    """

    fields: tuple[tuple[str, FieldValue], ...]
    arguments: tuple[Argument, ...]
    times: tuple[Times, ...] = ()
    limits: tuple[int, int] | None = None

    @property
    def scratch_bytes(self) -> int:
        return sum(a.bytes for a in self.arguments if isinstance(a, Scratch))


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to run an operator.

    Attributes:
        name: C function tflm_ext_<name>, parameter struct tflm_ext_<name>_t.
        header: file in templates/kernels/ that defines it.
        lower: everything constant worked out.
        work: how often the pieces of its code run in one call, a count each; instructions and
            cycles are linear in them, with the coefficients of plan/kernel_costs.toml.
        applies: whether the kernel can run the node.
    """

    name: str
    header: str
    lower: Callable[[NodeView], Call]
    work: Callable[[NodeView], Work]
    applies: Callable[[NodeView], bool] = lambda view: True


LIMIT = "limit"
"""The kernel that limits the output of calls with limits; its header has this name, too."""


def output_limits(low: int, high: int) -> tuple[int, int] | None:
    """Call.limits, None where int8 is limited no further."""
    return None if (low, high) == (-128, 127) else (low, high)


def no_options(table: Table | None) -> None:
    """parse of an operator without options."""
    return None


def work_by_elements(view: NodeView) -> Work:
    """Calls, elements: work of a kernel that does the same for every element of its output."""
    return 1, view.output().elements


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
        kernels: alternatives, in the order of preference at equal cost.
        parse: options table of the flatbuffer (None if absent) to a frozen options dataclass.
        macs: multiply-accumulate operations of one call.
        keeps_state: reads and writes variable tensors.
    """

    name: str
    code: int
    max_version: int
    check: Callable[[NodeView], None]
    reference: Callable[[NodeView, Sequence[Array | None]], tuple[Array, ...]]
    kernels: tuple[Kernel, ...]
    parse: Callable[[Table | None], Any] = no_options
    macs: Callable[[NodeView], int] = no_macs
    keeps_state: bool = field(default=False)


__all__ = [
    "LIMIT",
    "Argument",
    "Array",
    "Call",
    "Const",
    "FieldValue",
    "Input",
    "Inputs",
    "Kernel",
    "Node",
    "Operator",
    "Output",
    "Outputs",
    "Scratch",
    "Times",
    "Work",
    "no_macs",
    "no_options",
    "one_by_one",
    "output_limits",
    "work_by_elements",
]
