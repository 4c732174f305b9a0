"""Measures a hop of a pipeline on the emulated core, stage by stage."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.bench.cycles import Interval
from tflm_ext.bench.emulator import check_count, emulate, flash_bytes, link, require_tools
from tflm_ext.emit.render import render
from tflm_ext.emit.sense import CHUNK, after_model, ring_bytes, ring_samples, sense_files
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import Pipeline
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Block
from tflm_ext.targets import Board, Core
from tflm_ext.version import VERSION

Array: TypeAlias = np.ndarray[Any, Any]

_Spent: TypeAlias = tuple[int, int | None]  # instructions, cycles

_SAMPLES = 4096
_IMAGES = 2
_PIECE = 256  # samples in a buffer of a driver, as of a PDM microphone on the nRF52


@dataclass(frozen=True, slots=True)
class StageMeasurement:
    """What a stage takes of a hop.

    Attributes:
        stage: its name, as in the pipeline's JSON.
        instructions: executed.
        cycles: estimated; None if QEMU cannot count them.
        runs: how often it runs per second.
    """

    stage: str
    instructions: int
    cycles: int | None
    runs: Fraction


@dataclass(frozen=True, slots=True)
class PipelineMeasurement:
    """Measurements of a hop, and sizes that the pipeline adds to a program.

    Attributes:
        init: instructions of <name>_sense_init(), with the model's.
        push, push_cycles: to push the samples of a hop.
        stages: those of the pipeline and after the model, in order; without the model.
        hops: per second.
        context_bytes: sizeof(<name>_sense_t) without the model's context.
        ring_bytes: of it, the ring of samples.
        features_bytes: of it, the features of earlier frames.
        stack_bytes: used below the caller of <name>_sense_step(), with the model's.
        flash_bytes: linked program with the pipeline minus the same without it.
    """

    init: int
    push: int
    push_cycles: int | None
    stages: tuple[StageMeasurement, ...]
    hops: Fraction
    context_bytes: int
    ring_bytes: int
    features_bytes: int
    stack_bytes: int
    flash_bytes: int

    @property
    def instructions(self) -> int:
        """Of a hop that completes a window, without the model."""
        return self.push + sum(stage.instructions for stage in self.stages)

    @property
    def cycles(self) -> int | None:
        """Likewise, estimated."""
        found = [self.push_cycles, *(stage.cycles for stage in self.stages)]
        known = [cycles for cycles in found if cycles is not None]
        return sum(known) if len(known) == len(found) else None

    @property
    def instructions_per_second(self) -> int:
        """Without the model."""
        of_stages = sum(stage.instructions * stage.runs for stage in self.stages)
        return round(self.push * self.hops + of_stages)

    @property
    def cycles_per_second(self) -> int | None:
        """Without the model, estimated."""
        if self.cycles is None or self.push_cycles is None:
            return None
        of_stages = sum((stage.cycles or 0) * stage.runs for stage in self.stages)
        return round(self.push_cycles * self.hops + of_stages)

    @property
    def work_bytes(self) -> int:
        """Context without the ring and earlier features."""
        return self.context_bytes - self.ring_bytes - self.features_bytes


@dataclass(frozen=True, slots=True)
class _HarnessView:
    """Variables of bench/measure_pipeline.c.j2 and bench/no_pipeline.c.j2."""

    core: Core
    name: str
    upper: str
    with_model: bool
    sample_type: str
    samples: int
    piece: int
    hop: int
    first: int
    most_hops: int
    events: int


def front_end(name: str, pipeline: Pipeline) -> tuple[ModelFacts, tuple[RenderedFile, ...]]:
    """Return the facts and the C of a pipeline without a model."""
    facts = ModelFacts(
        name=name,
        library=name.title(),
        sha256=pipeline.sha256,
        inputs=(),
        outputs=(),
        weight_bytes=0,
        arena_bytes=0,
        macs=0,
        version=VERSION,
        command="",
        golden=(),
    )
    return facts, sense_files(facts, pipeline)


def measurement_samples(spec: Spec) -> Array:
    """Return the samples of every measurement: white noise up to an eighth of the range.

    Upper bits of a linear congruential generator (Knuth; Numerical Recipes), from 12345 on.

    Returns:
        (samples, channels) of the source's type, or some images; they repeat.
    """
    samples = _IMAGES if spec.form is Form.IMAGE else _SAMPLES
    count = samples * spec.size
    powers = np.cumprod(np.full(count, 1664525, np.uint32), dtype=np.uint32)
    sums = np.cumsum(np.concatenate([[1], powers[:-1]]).astype(np.uint32), dtype=np.uint32)
    states = powers * np.uint32(12345) + sums * np.uint32(1013904223)
    noise = states.view(np.int32).astype(np.float64) / 2**34  # from -1/8 to 1/8
    kind = np.dtype(spec.dtype.numpy)
    if kind.kind == "f":
        values = noise
    else:
        info = np.iinfo(kind)
        middle = (int(info.max) + int(info.min) + 1) // 2
        values = np.floor(noise * (int(info.max) - int(info.min) + 1) / 2) + middle
    return values.astype(kind).reshape(samples, *spec.shape)


def measure_pipeline(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    pipeline: Pipeline,
    board: Board,
    *,
    flags: Sequence[str] = (),
) -> PipelineMeasurement:
    """Compile a pipeline, run it up to its second window, and count.

    Args:
        facts: the model; without inputs if the C ends with the features.
        sources: the files of lib/<Name>/src/.
        board: determines the emulated core and the compiler flags.
        flags: compiler flags after the board's.

    Raises:
        ToolError: the compiler or the emulator is missing, fails, or cannot count.
    """
    require_tools()
    source = pipeline.source.spec
    samples = measurement_samples(source)
    hop = source.rate / pipeline.frame_rate
    view = _HarnessView(
        core=board.core,
        name=facts.name,
        upper=facts.upper,
        with_model=bool(facts.inputs),
        sample_type=source.dtype.c,
        samples=len(samples),
        piece=min(_PIECE, ring_samples(facts, pipeline)),
        hop=math.ceil(hop),
        first=_samples_before(pipeline),
        most_hops=_most_hops(pipeline),
        events=(math.ceil(hop / CHUNK) + 2) * len(pipeline.blocks) + 16,
    )
    with scratch_folder() as folder:
        own = folder / "sources"
        write_files(sources, own)
        (own / "samples.bin").write_bytes(samples.tobytes())
        (own / "no_pipeline.c").write_text(render("bench/no_pipeline.c.j2", view), "utf-8")
        harness = render("bench/measure_pipeline.c.j2", view)
        include = ("-I", str(own))

        def linked(name: str, without: str, *options: str) -> Path:
            left = [f.path for f in sources if f.path.endswith(".c") and f.path != without]
            units = [*left, *(["no_pipeline.c"] if without else [])]
            flagged = (*include, *flags, *options)
            parts = [(own / unit, flagged) for unit in units]
            return link(board, flags, folder / name, harness, parts, (*include, *options))

        traced = linked("traced", "", f"-D{facts.upper}_SENSE_TRACE")
        whole = linked("whole", "")
        without = linked("without", f"{facts.name}_sense.c")
        said, intervals, _ = emulate(traced, board.core, folder / "counts.txt")
        flash = flash_bytes(whole) - flash_bytes(without)
    return _read(facts, pipeline, said, intervals, flash)


def _samples_before(pipeline: Pipeline) -> int:
    """Return the samples after which each hop completes a frame, if there are stages of streams.

    Without these, a step collects the samples of a hop whenever they arrive.
    """
    blocks = pipeline.blocks
    frames = next((block for block in blocks if isinstance(block, FramesBlock)), None)
    if frames is None or frames is blocks[0]:
        return 0
    ratio = pipeline.source.spec.rate / frames.source.rate
    length, hop = (math.ceil(count * ratio) for count in (frames.length, frames.hop))
    return (pipeline.warm_up + length) % hop


def _most_hops(pipeline: Pipeline) -> int:
    """Return a number of hops after which the second window is complete."""
    hops = math.ceil(pipeline.first_window / (pipeline.source.spec.rate / pipeline.frame_rate))
    every = [block.every for block in pipeline.blocks if isinstance(block, StackBlock)]
    return 4 * (hops + sum(every)) + 16


def _read(
    facts: ModelFacts,
    pipeline: Pipeline,
    said: str,
    intervals: Sequence[Interval] | None,
    flash: int,
) -> PipelineMeasurement:
    numbers = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    check_count(numbers["loop"])
    rows = re.findall(r"^stage (\d+)\nafter (\d+)$", said, re.MULTILINE)
    ends = [*(int(count) for _, count in rows), numbers["step"]]
    spent: list[_Spent] = [
        (end - start, None) for start, end in zip([0, *ends], ends, strict=False)
    ]
    push: _Spent = (numbers["push"], None)
    if intervals is not None:
        # The last marks are: before and after the push, after each stage, after the step.
        exact: list[_Spent] = [(i.instructions, i.cycles) for i in intervals[-len(ends) - 1 :]]
        push, *spent = exact
    # Stages after the model are numbered after it.
    after = after_model(facts, pipeline)
    blocks = [*enumerate(pipeline.blocks), *enumerate(after, len(pipeline.blocks) + 1)]
    by_block: dict[int, list[_Spent]] = {number: [] for number, _ in blocks}
    for one, (stage, _) in zip(spent, rows, strict=False):
        by_block.get(int(stage), []).append(one)
    by_block[blocks[-1][0]].append(spent[-1])  # what follows the last stage or the model is little
    stages = [_stage(pipeline, block, by_block[number]) for number, block in blocks]
    stacks = [block for block in pipeline.blocks if isinstance(block, StackBlock)]
    return PipelineMeasurement(
        init=numbers["init"],
        push=push[0],
        push_cycles=push[1],
        stages=tuple(stages),
        hops=pipeline.frame_rate,
        context_bytes=numbers["context"] - numbers.get("model", 0),
        ring_bytes=ring_bytes(facts, pipeline),
        stack_bytes=numbers["stack"],
        features_bytes=sum(block.out.size * block.out.dtype.size for block in stacks),
        flash_bytes=flash,
    )


def _stage(pipeline: Pipeline, block: Block, spent: Sequence[_Spent]) -> StageMeasurement:
    cycles = [cycles for _, cycles in spent if cycles is not None]
    by_hop = block.out.form is Form.STREAM or isinstance(block, FramesBlock)
    return StageMeasurement(
        stage=type(block).__name__.removesuffix("Block"),
        instructions=sum(instructions for instructions, _ in spent),
        cycles=sum(cycles) if len(cycles) == len(spent) else None,
        runs=pipeline.frame_rate if by_hop else block.out.rate,
    )
