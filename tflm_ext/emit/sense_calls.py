"""The calls of a pipeline's stages in C, with their memory and their tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.emit.escape import c_float, c_numbers
from tflm_ext.emit.wrap import titled_comment
from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.stage import Block, Memory, SignalCall, branches


@dataclass(frozen=True, slots=True)
class MemoryView:
    """A member of a struct."""

    ctype: str
    name: str
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class TableView:
    """A constant table."""

    ctype: str
    symbol: str
    count: int
    comment: str
    values: str


@dataclass(frozen=True, slots=True)
class CallView:
    """A stage: a C function.

    Attributes:
        number: of the stage, for the trace; -1 for a part of a stage.
        member: its struct in the context, "stage3_log_mel".
        comment: what goes in and what comes out.
        kernel: function that it calls, without tflm_ext_; "" where branches come together.
        gate: whether that returns if the frame passes, and writes nothing.
        into_row: whether it writes to the row of the stack, or the model's input.
        fields: of the parameter struct.
        arguments: of the call between input and output: tables, state, scratch.
        source, target: expressions for the items that are read and written.
        state, scratch: members.
        output: member for its items; None if the next stage has them.
    """

    number: int
    member: str
    comment: str
    kernel: str
    gate: bool
    into_row: bool
    fields: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    source: str
    target: str
    target_type: str
    bytes: int
    state: tuple[MemoryView, ...]
    scratch: tuple[MemoryView, ...]
    output: MemoryView | None


def called(block: Block) -> bool:
    """Return whether a block has a function; the step function does what others do."""
    return not isinstance(block, FramesBlock | StackBlock)


def chain(
    tables: Tables, blocks: Sequence[tuple[int, Block]], first: str, last: str, items: int
) -> Iterator[CallView]:
    """Yield the calls of consecutive blocks.

    Args:
        first: expression for the items that the first one reads.
        last: expression for the items that the last one writes.
        items: the most that the first one reads at once.
    """
    source = first
    for i, (number, block) in enumerate(blocks):
        inner = branches(block)
        call = None if inner else block.lower()
        member = f"stage{number}_{call.name if call else 'concat'}"
        ends = i == len(blocks) - 1
        target = last if ends else f"ctx->{member}.output"
        items = items_of([(number, block)], items)
        count = block.out.size * items
        memory = None if ends else MemoryView(block.out.dtype.c, "output", count, 0)
        if call is not None and call.gate:
            target, memory = source, None
        yield from _branches(tables, member, inner, source, target)
        yield _call(tables, number, member, block, call, source, target, memory)
        source = target


def _branches(
    tables: Tables, member: str, found: Sequence[Sequence[Block]], first: str, last: str
) -> Iterator[CallView]:
    """Yield the calls of the branches of a block, which write one after another.

    Args:
        member: of the block.
        first: expression for the items that each branch reads.
        last: expression for the items that they write.
    """
    offset = 0
    for branch_number, branch in enumerate(found):
        source = first
        for i, block in enumerate(branch):
            call = block.lower()
            own = f"{member}_{branch_number}_{i}_{call.name}"
            target, memory = f"ctx->{own}.output", None
            if i < len(branch) - 1:
                memory = MemoryView(block.out.dtype.c, "output", block.out.size, 0)
            else:
                target = f"&{last}[{offset}]"
            yield _call(tables, -1, own, block, call, source, target, memory)
            source = target
        offset += branch[-1].out.size


def items_of(blocks: Sequence[tuple[int, Block]], count: int) -> int:
    """Return the most items that consecutive blocks give for `count` items."""
    for _, block in blocks:
        count = math.ceil(count * block.out.rate / block.source.rate)
    return count


def _call(
    tables: Tables,
    number: int,
    member: str,
    block: Block,
    call: SignalCall | None,
    source: str,
    target: str,
    memory: MemoryView | None,
) -> CallView:
    """Return the view of a call; without one, of the place where branches come together."""
    title = f"{number}: " if number >= 0 else ""
    call = call or SignalCall("", "", ())
    return CallView(
        number=number,
        member=member,
        comment=f"{title}{block.source} -> {block.out}",
        kernel=call.name,
        gate=call.gate,
        into_row=target.lstrip("&").split("[")[0] == "row",
        fields=tuple((name, c_value(value)) for name, value in call.fields),
        arguments=(
            *(tables.add(member, const) for const in call.tables),
            *(f"ctx->{member}.{m.role}" for m in call.state),
            *(f"ctx->scratch.{member}.{m.role}" for m in call.scratch),
        ),
        source=f"ctx->features, {source}" if getattr(block, "sees_input", False) else source,
        target=target,
        target_type=block.out.dtype.c,
        bytes=block.out.size * block.out.dtype.size,
        state=tuple(map(_memory, call.state)),
        scratch=tuple(map(_memory, call.scratch)),
        output=memory,
    )


def _memory(memory: Memory) -> MemoryView:
    return MemoryView(memory.ctype, memory.role, memory.count, memory.start)


def c_value(value: object) -> str:
    """Return an initializer for a field of a parameter struct."""
    if isinstance(value, tuple):
        return "{ " + ", ".join(map(c_value, value)) + " }"
    if isinstance(value, float):
        return c_float(value)
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


class Tables:
    """Constant tables; equal ones are printed once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._symbols: dict[tuple[DType, bytes], str] = {}
        self.views: list[TableView] = []

    def add(self, member: str, const: Const) -> str:
        """Return the symbol of a table."""
        key = (const.dtype, const.data)
        if key not in self._symbols:
            symbol = f"{self._prefix}_{member}_{const.role}"
            self._symbols[key] = symbol
            values = np.frombuffer(const.data, const.dtype.numpy)
            title = const.role.replace("_", " ")
            self.views.append(
                TableView(
                    ctype=const.dtype.c,
                    symbol=symbol,
                    count=len(values),
                    comment=titled_comment((title, const.layout)),
                    values=number_lines(const.dtype, values.tolist()),
                )
            )
        return self._symbols[key]


def number_lines(dtype: DType, values: Iterable[float]) -> str:
    """Return the values of a table, in lines."""
    if dtype is not DType.FLOAT32:
        return c_numbers(map(int, values))
    texts = [c_float(value) for value in values]
    lines = [", ".join(texts[i : i + 6]) for i in range(0, len(texts), 6)]
    return ",\n".join(f"    {line}" for line in lines)
