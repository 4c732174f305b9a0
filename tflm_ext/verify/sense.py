"""Runs the C of a pipeline, and compares it with NumPy after every stage, byte for byte."""

from __future__ import annotations

import builtins
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.emit.render import render
from tflm_ext.emit.sense import after_model, ring_samples
from tflm_ext.errors import VerificationError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import Pipeline
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Block
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]

_SECONDS = 120.0
_SECONDS_PER_BYTE = 5e-5
_NEW = 0xFFFFFFFF
LEAST_FRAMES = 2000
_MOST_FRAMES = 20_000
_DRAWN = 5  # kinds of drawn recordings
_MOST_PIXELS = 1 << 24  # of images that are drawn and compared at once

Run: TypeAlias = Callable[[ModelFacts, Sequence[RenderedFile], Pipeline, bytes], bytes]
"""Runs the C on blocks of samples, as test/sense_harness.c.j2 reads them, and returns its trace."""
_MOST_WINDOWS = 200  # that TFLM runs
_HINT = "Do not use these files. Export again; if the error persists, report this bug."


@dataclass(frozen=True, slots=True)
class HarnessView:
    """Variables of test/sense_harness.c.j2."""

    name: str
    upper: str
    sample_type: str


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What TFLM's interpreter needs to run a model."""

    bytes: builtins.bytes
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class SenseCheck:
    """Proof that the C of a pipeline equals NumPy.

    Attributes:
        frames: compared.
        bytes: compared, of all stages.
        outputs: per recording, what the model gave for its windows: (windows, size), int8.
        after: per recording, what score and decision gave, one array each: (windows, values).
    """

    frames: int
    bytes: int
    outputs: tuple[Array, ...] = field(default=(), compare=False, repr=False)
    after: tuple[tuple[Array, ...], ...] = field(default=(), compare=False, repr=False)

    def with_more(self, other: SenseCheck) -> SenseCheck:
        """Return the proof on the recordings of both, without what they gave."""
        return SenseCheck(self.frames + other.frames, self.bytes + other.bytes)


def check_sense(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    pipeline: Pipeline,
    recordings: Sequence[Array],
    *,
    seed: int = 0,
    model: ModelRun | None = None,
    run: Run | None = None,
) -> SenseCheck:
    """Compare the C with NumPy on recordings, which reach the C in pieces of random sizes.

    Args:
        facts: the model; without inputs if the C ends with the features.
        sources: the files of lib/<Name>/src/.
        recordings: each (samples, channels) of the source's type.
        seed: of the sizes of the pieces.
        model: the model in the sources, whose output is compared with TFLM's, too.
        run: compiles the files and runs them; by default, on this computer.

    Raises:
        VerificationError: they differ; names the first stage that does.
    """
    ring = ring_samples(facts, pipeline)
    random = np.random.default_rng(seed)
    data = b"".join(part for own in recordings for part in _blocks(own, ring, random))
    if run is None:
        with _compiled(facts, sources, pipeline) as here:
            traces = _split(here(facts, sources, pipeline, data))
    else:
        traces = _split(run(facts, sources, pipeline, data))
    compared = frames = 0
    windows, results, outputs = [], [], []
    after: list[tuple[Array, ...]] = []
    for number, (own, theirs) in enumerate(zip(recordings, traces, strict=True)):
        expected, _ = pipeline.run(own, pipeline.start())
        for stage, (block, wanted) in enumerate(zip(pipeline.blocks, expected, strict=True)):
            got = np.frombuffer(b"".join(theirs.get(stage, [])), block.out.dtype.numpy)
            _compare(facts.name, block, stage, wanted, got, number)
            compared += got.nbytes
        frames += _frames(pipeline, expected)
        windows.append(expected[-1])
        given = theirs.get(len(pipeline.blocks), [])
        results += given
        if facts.outputs:
            port = facts.outputs[0]
            rows = np.frombuffer(b"".join(given), port.dtype.numpy)
            outputs.append(rows.reshape(-1, port.size))
        after.append(_compare_after(facts, pipeline, expected[-1], theirs, number))
    if model is not None:
        _compare_model(facts, model, np.concatenate(windows), results)
    return SenseCheck(frames, compared, tuple(outputs), tuple(after))


def _compare_after(
    facts: ModelFacts,
    pipeline: Pipeline,
    items: Array,
    theirs: dict[int, list[bytes]],
    number: int,
) -> tuple[Array, ...]:
    """Compare scores and decisions with NumPy, for what the model in C computed; return them."""
    blocks = after_model(facts, pipeline)
    first = len(pipeline.blocks)
    if not blocks:
        return (items,) if pipeline.has_score else ()
    found = []
    if facts.outputs:
        port = facts.outputs[0]
        seen = items
        items = np.frombuffer(b"".join(theirs.get(first, [])), port.dtype.numpy)
        items = items.reshape(-1, port.size)
        if getattr(blocks[0], "sees_input", False):
            items = np.concatenate([seen.reshape(len(seen), pipeline.out.size), items], axis=1)
    for stage, block in enumerate(blocks, first + 1):
        items, _ = block.run(items, block.start())
        got = np.frombuffer(b"".join(theirs.get(stage, [])), block.out.dtype.numpy)
        _compare(facts.name, block, stage, items, got, number)
        found.append(items)
    return tuple(found)


def _compare_model(
    facts: ModelFacts, model: ModelRun, windows: Array, results: Sequence[bytes]
) -> None:
    """Compare what the model computed with what TFLM makes of NumPy's windows."""
    count = min(len(windows), _MOST_WINDOWS)
    if len(results) != len(windows):
        raise VerificationError(
            f"{facts.name}: the model ran {len(results):,} times for {len(windows):,} windows.",
            _HINT,
        )
    if not count:
        return
    port = facts.inputs[0]
    vectors = windows[:count].reshape(count, *port.shape)
    run = run_tflm(model.bytes, [vectors], len(facts.outputs), arena_bytes=model.arena_bytes)
    expected = run.outputs[0].reshape(count, -1)
    got = np.stack([np.frombuffer(own, expected.dtype) for own in results[:count]])
    wrong = np.argwhere(expected != got)
    if len(wrong):
        window, element = wrong[0].tolist()
        raise VerificationError(
            f"{facts.name}: output 0, element {element}, for window {window} of the pipeline is "
            f"{got[window, element]} instead of {expected[window, element]}.",
            _HINT,
        )


def prove_sense(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    pipeline: Pipeline,
    recordings: Sequence[Array],
    model: ModelRun | None = None,
    *,
    seed: int | None = None,
) -> SenseCheck:
    """Compare the C of a pipeline with NumPy, and what the model makes of its features with TFLM.

    Args:
        facts, sources, pipeline: as in check_sense().
        recordings: of the user, of which the beginnings are used, 20,000 frames in all; drawn ones
            are added until there are at least 2,000 frames.
        model: the model, if the sources contain it.
        seed: of drawn recordings; by default, it depends on the pipeline.

    Raises:
        VerificationError: they differ; names the first stage that does.
    """
    hop = pipeline.source.spec.rate / pipeline.frame_rate
    first = pipeline.first_window
    most = first + int(_MOST_FRAMES // max(len(recordings), 1) * hop)
    own = [recording[:most] for recording in recordings]
    frames = sum(max(int((len(recording) - first) // hop), 0) for recording in own)
    seed = int(pipeline.sha256[:8], 16) if seed is None else seed
    spec, missing = pipeline.source.spec, LEAST_FRAMES - frames
    with _compiled(facts, sources, pipeline) as run:
        check = functools.partial(check_sense, facts, sources, pipeline, run=run)
        if spec.form is Form.IMAGE:
            found = check(own, seed=seed, model=model) if own else SenseCheck(0, 0)
            most = max(_MOST_PIXELS // spec.size, 1)
            for at in range(0, missing, most):
                drawn = drawn_recordings(spec, min(missing - at, most), seed=seed + at)
                rest = model if found.frames < _MOST_WINDOWS else None
                found = found.with_more(check(drawn, seed=seed + at, model=rest))
            return found
        if missing > 0:
            samples = int((missing + 8) * hop) + _DRAWN * first
            own += drawn_recordings(spec, samples, seed=seed)
        return check(own, seed=seed, model=model)


def drawn_recordings(spec: Spec, samples: int, *, seed: int) -> list[Array]:
    """Return recordings that make a pipeline work: noise from quiet to loud, tones, clicks, edges.

    Args:
        spec: of the source.
        samples: of all recordings together.
    """
    random = np.random.default_rng(seed)
    if spec.form is Form.IMAGE:
        levels = random.integers(0, 256, (samples, *spec.shape), np.uint8)
        levels[::3] = random.choice([0, 255], levels[::3].shape)
        levels[1::3] //= 64
        return [levels]
    info = np.iinfo(spec.dtype.numpy)
    parts = []
    count = -(-samples // _DRAWN)
    for kind in range(_DRAWN):
        shape, time = (count, spec.channels), np.arange(count)[:, np.newaxis]
        loudness = info.max * 10 ** -(
            4 * random.random((-(-count // 500), 1)).repeat(500, 0)[:count]
        )
        if kind == 0:
            values = random.normal(0, loudness / 3, shape)
        elif kind == 1:
            phase = np.cumsum(random.uniform(0.001, 0.5) * (1 + 0.5 * np.sin(time / 700)), axis=0)
            values = loudness * np.sin(2 * np.pi * phase) + np.zeros(shape)
        elif kind == 2:
            values = random.integers(info.min, info.max, shape, endpoint=True).astype(float)
        elif kind == 3:
            values = np.where(
                random.random(shape) < 0.002, random.choice([info.min, info.max]), 0.0
            )
        else:
            values = random.choice([float(info.min), float(info.max), -1.0, 0.0, 1.0], shape)
            values[: count // 4], values[count // 4 : count // 3] = info.min, 0
        parts.append(np.clip(np.rint(values), info.min, info.max).astype(spec.dtype.numpy))
    return parts


def _frames(pipeline: Pipeline, outputs: Sequence[Array]) -> int:
    kinds = [type(block).__name__ for block in pipeline.blocks]
    if pipeline.source.spec.form is Form.IMAGE:
        return len(outputs[0])
    return len(outputs[kinds.index("FramesBlock")])


def _blocks(recording: Array, ring: int, random: np.random.Generator) -> list[bytes]:
    """Return a recording as blocks of the harness."""
    parts = [np.uint32(_NEW).tobytes()]
    at = 0
    while at < len(recording):
        count = int(random.integers(1, ring + 1))
        if random.random() < 0.2:
            count = min(int(random.integers(1, 8)), ring)
        piece = recording[at : at + count]
        parts += [np.uint32(len(piece)).tobytes(), np.ascontiguousarray(piece).tobytes()]
        at += count
    return parts


@contextlib.contextmanager
def _compiled(
    facts: ModelFacts, sources: Sequence[RenderedFile], pipeline: Pipeline
) -> Iterator[Run]:
    """Compile a pipeline for this computer, without and with optimisation; yields what runs it."""
    compiler = find_compiler()
    ways = (("-O0", *SANITIZE), ("-O2",))
    with scratch_folder() as root:
        write_files(sources, root)
        view = HarnessView(facts.name, facts.upper, pipeline.source.spec.dtype.c)
        Path(root, "harness.c").write_text(render("test/sense_harness.c.j2", view), "utf-8")
        units = [file.path for file in sources if file.path.endswith(".c")]
        programs = []
        for number, flags in enumerate(ways):
            options = ("-std=c99", *flags, *WARNINGS, "-I", ".", f"-D{facts.upper}_SENSE_TRACE")
            program = f"harness{number}"
            compile_c((compiler, *options, "harness.c", *units, "-o", program), root)
            programs.append(str(root / program))

        def run(*given: Any) -> bytes:
            data = given[-1]
            seconds = _SECONDS + len(data) * _SECONDS_PER_BYTE
            first, second = (run_c((program,), data, seconds) for program in programs)
            if first != second:
                raise VerificationError(
                    "The C gives other results with optimisation than without on this computer.",
                    _HINT,
                )
            return first

        yield run


def _split(data: bytes) -> list[dict[int, list[bytes]]]:
    found: list[dict[int, list[bytes]]] = []
    at = 0
    while at < len(data):
        stage, size = np.frombuffer(data, "<i4", 2, at).tolist()
        if stage < 0:
            found.append({})
        else:
            found[-1].setdefault(stage, []).append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def _compare(name: str, block: Block, stage: int, wanted: Array, got: Array, number: int) -> None:
    flat = wanted.reshape(-1)
    same = len(flat) == len(got)
    if same and flat.tobytes() == got.tobytes():
        return
    kind = type(block).__name__.removesuffix("Block")
    if not same:
        raise VerificationError(
            f"{name}: stage {stage} {kind} gives {len(got):,} values for recording {number} in C, "
            f"and {len(flat):,} in NumPy.",
            _HINT,
        )
    item = wanted[0].size
    at = int(np.flatnonzero(flat.view(f"V{flat.itemsize}") != got.view(f"V{got.itemsize}"))[0])
    raise VerificationError(
        f"{name}: stage {stage} {kind} differs from NumPy for recording {number}: "
        f"value {at % item} of item {at // item} is {got[at]} instead of {flat[at]}.",
        _HINT,
    )
