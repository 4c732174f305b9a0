"""A signal pipeline as C: <name>_sense.h and <name>_sense.c."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.emit.escape import c_float, c_numbers
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import render, verbatim
from tflm_ext.emit.wrap import titled_comment
from tflm_ext.ir import DType
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.kernels import Const
from tflm_ext.signals import Pipeline
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.spec import Form
from tflm_ext.signals.stage import Block, Memory, SignalCall, branches, lowered

CHUNK = 32
"""Samples that the stages of a stream compute at once."""


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


@dataclass(frozen=True, slots=True)
class _SavedView:
    """What <name>_sense_save() writes.

    Attributes:
        parts: members of the context.
        bytes: of the buffer.
        digest: bytes that tell which pipeline it is of.
    """

    parts: tuple[str, ...]
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class SenseView:
    """Variables of sense/sense.h.j2 and sense/sense.c.j2."""

    name: str
    upper: str
    library: str
    version: str
    command: str
    digest: str
    lines: tuple[str, ...]
    headers: tuple[str, ...]
    tables: tuple[TableView, ...]
    after: tuple[CallView, ...]
    gates: bool
    keeps_input: bool
    decides: bool
    milliseconds: tuple[int, int]
    first_milliseconds: int
    warm_up: int
    rate: str
    sample_type: str
    image: bool
    channels: int
    ring: int
    chunk: int
    streams: tuple[CallView, ...]
    chunk_type: str
    chunk_count: int
    frame_type: str
    frame_channels: int
    length: int
    hop: int
    frames: int
    frame_number: int
    calls: tuple[CallView, ...]
    tail: tuple[CallView, ...]
    stack: int
    every: int
    row: int
    row_type: str
    stack_number: int
    inputs: int
    input_type: str
    with_model: bool
    outputs_number: int
    output_bytes: int
    saved: _SavedView | None


def sense_files(facts: ModelFacts, pipeline: Pipeline) -> tuple[RenderedFile, ...]:
    """Return the C of a pipeline, with paths below lib/<Name>/src/.

    Args:
        facts: the model that receives its features; without inputs, the C ends with the features.
    """
    view = sense_view(facts, pipeline)
    found = with_included(view.headers, ("signals", "kernels"))
    return (
        RenderedFile.text(f"{facts.name}_sense.h", render("sense/sense.h.j2", view)),
        RenderedFile.text(f"{facts.name}_sense.c", render("sense/sense.c.j2", view)),
        *(RenderedFile(f"tflm_ext/{name}", verbatim(path)) for name, path in found),
    )


def ring_samples(facts: ModelFacts, pipeline: Pipeline) -> int:
    """Return the samples of every channel that the ring holds, a power of two.

    There is room for a hop that was not taken yet, and for the samples of another hop or of an
    inference, whichever takes longer. Of images, the ring holds a single one, in which the first
    stage reads it.
    """
    if pipeline.source.spec.form is Form.IMAGE:
        return 1
    frames = _frames(pipeline)
    rate = pipeline.source.spec.rate
    per_hop = frames.hop * rate / frames.source.rate
    during = max(per_hop, facts.inference_us * rate / 10**6)
    return 1 << (max(math.ceil(per_hop + during), 2 * CHUNK) - 1).bit_length()


def _frames(pipeline: Pipeline) -> FramesBlock:
    """Return the frames of a pipeline; an image is one frame."""
    source = pipeline.source.spec
    if source.form is Form.IMAGE:
        return FramesBlock(source, 1, 1)
    (found,) = (block for block in pipeline.blocks if isinstance(block, FramesBlock))
    return found


def sense_view(facts: ModelFacts, pipeline: Pipeline) -> SenseView:
    """Return the variables of the templates."""
    blocks = list(enumerate(pipeline.blocks))
    frames = _frames(pipeline)
    source = pipeline.source.spec
    image = source.form is Form.IMAGE
    at = 0 if image else pipeline.blocks.index(frames)
    stack_number, stack = _stack(blocks)
    tables = _Tables(f"{facts.name}_sense")
    streams = list(_chain(tables, blocks[:at], "samples", "ctx->chunk", CHUNK))
    framed = blocks[at if image else at + 1 : stack_number]
    calls = list(_chain(tables, framed, "ctx->ring" if image else "ctx->frame", "row", 1))
    row = stack.source if stack else pipeline.out
    after = list(enumerate(after_model(facts, pipeline), len(blocks) + 1))
    output = f"{facts.name}_output(&ctx->model, 0U)" if facts.outputs else "ctx->features"
    blocks_called = [*blocks, *after]
    return SenseView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        digest=pipeline.sha256,
        lines=_lines(blocks_called),
        after=tuple(_chain(tables, after, output, "ctx->result", 1)),
        tail=tuple(_chain(tables, blocks[stack_number + 1 :], "ctx->window", "row", 1)),
        gates=any(call.gate for call in calls),
        keeps_input=_keeps_input(facts, after),
        decides=bool(after) and pipeline.decide is not None,
        milliseconds=(1000 / frames.out.rate).as_integer_ratio(),
        first_milliseconds=int(1000 * (frames.warm_up + frames.length) / frames.source.rate),
        warm_up=frames.warm_up,
        headers=_headers(blocks_called),
        tables=tuple(tables.views),
        rate=c_float(float(source.rate)),
        sample_type=source.dtype.c,
        image=image,
        channels=source.size,
        ring=ring_samples(facts, pipeline),
        chunk=CHUNK,
        streams=tuple(streams),
        chunk_type=frames.source.dtype.c,
        chunk_count=_items(blocks[:at], CHUNK),
        frame_type=frames.source.dtype.c,
        frame_channels=frames.source.size,
        length=frames.length,
        hop=frames.hop,
        frames=frames.length * frames.source.size,
        frame_number=at,
        calls=tuple(calls),
        stack=stack.frames if stack else 0,
        every=stack.every if stack else 1,
        row=row.size,
        row_type=row.dtype.c,
        stack_number=stack_number,
        inputs=pipeline.out.size,
        input_type=pipeline.out.dtype.c,
        with_model=bool(facts.inputs),
        outputs_number=len(blocks),
        output_bytes=facts.outputs[0].bytes if facts.outputs else 0,
        saved=_saved(pipeline, blocks),
    )


def _stack(blocks: Sequence[tuple[int, Block]]) -> tuple[int, StackBlock | None]:
    """Return the ring of features and its number; without one, the number after the last block."""
    stacks = ((n, block) for n, block in blocks if isinstance(block, StackBlock))
    return next(stacks, (len(blocks), None))


def _saved(pipeline: Pipeline, blocks: Sequence[tuple[int, Block]]) -> _SavedView | None:
    """Return what is worth saving of the state of blocks; None if nothing is."""
    parts = []
    for number, block in blocks:
        if getattr(block, "saves_state", False):
            call = block.lower()
            parts += [f"{_member(number, call)}.{memory.role}" for memory in call.state]
    if not parts:
        return None
    digest = ", ".join(f"0x{byte:02X}U" for byte in pipeline.learnt_digest)
    return _SavedView(tuple(parts), len(pipeline.save(pipeline.start())), digest)


def _member(number: int, call: SignalCall) -> str:
    return f"stage{number}_{call.name}"


def _lines(blocks: Sequence[tuple[int, Block]]) -> tuple[str, ...]:
    """Return what each block gives, for comments."""
    return tuple(f"{n}: {type(b).__name__.removesuffix('Block')}: {b.out}" for n, b in blocks)


def _keeps_input(facts: ModelFacts, after: Sequence[tuple[int, Block]]) -> bool:
    """Return whether features are needed after the model, or there is none."""
    return not facts.inputs or any(getattr(block, "sees_input", False) for _, block in after)


def _headers(blocks: Sequence[tuple[int, Block]]) -> tuple[str, ...]:
    """Return the files that define the functions of blocks."""
    calls = (call for _, block in blocks if _called(block) for call in lowered(block))
    saved = (
        {"save.h"} if any(getattr(block, "saves_state", False) for _, block in blocks) else set()
    )
    return tuple(sorted(saved | {call.header for call in calls}))


def after_model(facts: ModelFacts, pipeline: Pipeline) -> tuple[Block, ...]:
    """Return score and decision; none where there is no model to give what they need."""
    if pipeline.has_score:
        return pipeline.after(None)
    if not facts.outputs:
        return ()
    port = facts.outputs[0]
    if port.quantization is None:
        return ()
    own = port.quantization
    return pipeline.after(pipeline.model_output(port.size, own.scale, own.zero_point))


def _called(block: Block) -> bool:
    return not isinstance(block, FramesBlock | StackBlock)


def _chain(
    tables: _Tables, blocks: Sequence[tuple[int, Block]], first: str, last: str, items: int
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
        items = _items([(number, block)], items)
        count = block.out.size * items
        memory = None if ends else MemoryView(block.out.dtype.c, "output", count, 0)
        if call is not None and call.gate:
            target, memory = source, None
        yield from _branches(tables, member, inner, source, target)
        yield _call(tables, number, member, block, call, source, target, memory)
        source = target


def _branches(
    tables: _Tables, member: str, found: Sequence[Sequence[Block]], first: str, last: str
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


def _items(blocks: Sequence[tuple[int, Block]], count: int) -> int:
    """Return the most items that consecutive blocks give for `count` items."""
    for _, block in blocks:
        count = math.ceil(count * block.out.rate / block.source.rate)
    return count


def _call(
    tables: _Tables,
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


class _Tables:
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
