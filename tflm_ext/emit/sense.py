"""A signal pipeline as C: <name>_sense.h and <name>_sense.c."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tflm_ext.emit.escape import c_float
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import render, verbatim
from tflm_ext.emit.sense_calls import (
    CallView,
    Tables,
    TableView,
    called,
    chain,
    items_of,
)
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.signals import Pipeline
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.spec import Form
from tflm_ext.signals.stage import Block, SignalCall, lowered

CHUNK = 32
"""Samples that the stages of a stream compute at once."""


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
    score: str
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


def ring_bytes(facts: ModelFacts, pipeline: Pipeline) -> int:
    """Return the size of the ring."""
    source = pipeline.source.spec
    return ring_samples(facts, pipeline) * source.size * source.dtype.size


def capture_bytes(pipeline: Pipeline, seconds: float) -> int:
    """Return the size of the firmware's ring of samples that it may send; 0 for 0 seconds."""
    source = pipeline.source.spec
    return math.ceil(seconds * source.rate) * source.size * source.dtype.size


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
    source, image = pipeline.source.spec, pipeline.source.spec.form is Form.IMAGE
    at = 0 if image else pipeline.blocks.index(frames)
    stack_number, stack = _stack(blocks)
    tables = Tables(f"{facts.name}_sense")
    streams = tuple(chain(tables, blocks[:at], "samples", "ctx->chunk", CHUNK))
    framed = blocks[at if image else at + 1 : stack_number]
    calls = tuple(chain(tables, framed, "ctx->ring" if image else "ctx->frame", "row", 1))
    row = stack.source if stack else pipeline.out
    after = list(enumerate(after_model(facts, pipeline), len(blocks) + 1))
    blocks_called = [*blocks, *after]
    return SenseView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        digest=pipeline.sha256,
        lines=_lines(blocks_called),
        after=tuple(chain(tables, after, _outputs(facts), "ctx->result", 1)),
        tail=tuple(chain(tables, blocks[stack_number + 1 :], "ctx->window", "row", 1)),
        gates=any(call.gate for call in calls),
        keeps_input=_keeps_input(facts, after),
        decides=bool(after) and pipeline.decide is not None,
        score=_score(pipeline, after),
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
        streams=streams,
        chunk_type=frames.source.dtype.c,
        chunk_count=items_of(blocks[:at], CHUNK),
        frame_type=frames.source.dtype.c,
        frame_channels=frames.source.size,
        length=frames.length,
        hop=frames.hop,
        frames=frames.length * frames.source.size,
        frame_number=at,
        calls=calls,
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


def _outputs(facts: ModelFacts) -> str:
    """Return the expression for what score and decision receive."""
    return f"{facts.name}_output(&ctx->model, 0U)" if facts.outputs else "ctx->features"


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


def _score(pipeline: Pipeline, after: Sequence[tuple[int, Block]]) -> str:
    """Return the expression for the score of a window; "" if it has none."""
    if after:
        return "ctx->result[0]" if pipeline.decide is None else "ctx->result[2]"
    return "ctx->features[0]" if pipeline.has_score else ""


def _keeps_input(facts: ModelFacts, after: Sequence[tuple[int, Block]]) -> bool:
    """Return whether features are needed after the model, or there is none."""
    return not facts.inputs or any(getattr(block, "sees_input", False) for _, block in after)


def _headers(blocks: Sequence[tuple[int, Block]]) -> tuple[str, ...]:
    """Return the files that define the functions of blocks."""
    calls = (call for _, block in blocks if called(block) for call in lowered(block))
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
