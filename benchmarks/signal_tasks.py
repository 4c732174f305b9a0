"""Tasks of signal processing that other libraries do as well, and what our stages take for them.

Counted is the function of a stage alone, on 512 samples or a frame. In a pipeline, samples are also
copied from a ring and to a frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.counted_steps import Result, Spent, count_steps
from tflm_ext.bench.pipeline import measurement_samples
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import verbatim
from tflm_ext.emit.sense_calls import c_value, number_lines
from tflm_ext.ir import DType
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import (
    Biquad,
    Frames,
    HighPass,
    LowPass,
    Microphone,
    Pipeline,
    Raw,
    Spectrum,
    Statistics,
    Zscore,
)
from tflm_ext.signals.fft import Array
from tflm_ext.signals.frames import FramesBlock
from tflm_ext.signals.spec import Form
from tflm_ext.signals.stage import Block
from tflm_ext.targets import Board

SAMPLES = 512
POINTS = (256, 512)
_FIRST = (0.5, 0.0, -0.5, 1.0, -0.4, 0.2)
SECTIONS = {1: (_FIRST,), 2: (_FIRST, (0.6, -0.3, 0.2, 1.0, 0.1, 0.3))}
"""Coefficients b0, b1, b2, a0, a1, a2 of the sections of a filter, by their number."""

_SOUND = Microphone(16_000)


def _filter(stage: Biquad | HighPass | LowPass) -> Pipeline:
    return Pipeline(_SOUND, stage, Frames(SAMPLES), Raw())


def _frame(points: int, stage: Spectrum | Statistics) -> Pipeline:
    noise = np.random.default_rng(0).integers(-4000, 4000, (4 * points, 1))
    return Pipeline(_SOUND, Frames(points), stage, Zscore()).fitted(noise)


TASKS: dict[str, dict[str, Pipeline]] = {
    **{
        f"spectrum_{points}": {
            "float32": _frame(points, Spectrum(points, form="power", arithmetic="float32"))
        }
        for points in POINTS
    },
    **{
        f"biquad_{count}": {
            f"{type(stage).__name__} {arithmetic}": _filter(stage)
            for arithmetic in ("int32", "float32")
            for stage in (
                Biquad(SECTIONS[count], arithmetic=arithmetic),
                LowPass(1000, order=2 * count, arithmetic=arithmetic),
                HighPass(100, order=2 * count, arithmetic=arithmetic),
            )
        }
        for count in SECTIONS
    },
    "statistics": {"int16": _frame(SAMPLES, Statistics("mean", "rms", "variance", "peak"))},
}
"""By task, pipelines; their first stage that is not Frames does it."""


def samples() -> Array:
    """Return the samples on which tasks are done: (512,) int16."""
    return measurement_samples(_SOUND.spec)[:SAMPLES, 0]


def measure_ours(task: str, name: str, board: Board, flags: tuple[str, ...]) -> Spent:
    """Count a task, and compare its result with NumPy."""
    blocks = TASKS[task][name].blocks
    block = next(block for block in blocks if not isinstance(block, FramesBlock))
    stream = block.source.form is Form.STREAM
    items = samples()[:, np.newaxis] if stream else samples()[np.newaxis, : block.source.size, None]
    expected = block.run(items, block.start())[0].ravel()
    result = Result("output", expected.size, expected.dtype.name)
    with scratch_folder() as folder:
        (folder / "tflm_ext").mkdir()
        for header, path in with_included([block.lower().header], ("signals", "kernels")):
            (folder / "tflm_ext" / header).write_bytes(verbatim(path))
        (folder / "stage.c").write_text("\n".join(_source(block, result)), "utf-8")
        own = (*flags, "-std=c99", f"-I{folder}")
        units = [(folder / "stage.c", own)]
        spent, found = count_steps(units, ["step"], [result], board, flags)
    if found["output"].tobytes() != expected.tobytes():
        raise AssertionError(f"{task}, {name}: the C differs from NumPy")
    return spent["step"]


def _source(block: Block, result: Result) -> Iterator[str]:
    """Yield the C that calls the function of a block in step()."""
    call = block.lower()
    yield f'#include "tflm_ext/{call.header}"'
    # Not constant, and not static: the compiler knows no sample.
    yield _table(DType.INT16, "samples", samples()).removeprefix("static const ")
    for const in call.tables:
        values = np.frombuffer(const.data, const.dtype.numpy)
        yield _table(const.dtype, f"table_{const.role}", values)
    memories = (*call.state, *call.scratch)
    if any(own.start for own in memories):
        raise AssertionError("a state that does not begin with 0")
    for own in memories:
        yield f"static {own.ctype} memory_{own.role}[{own.count}];"
    # Four bytes at a time are printed, and the number of samples is not known to the compiler.
    yield f"{block.out.dtype.c} output[{result.count}] __attribute__((aligned(4)));"
    yield f"volatile uint32_t count = {SAMPLES}U;"
    fields = ", ".join(f".{name} = {c_value(value)}" for name, value in call.fields)
    stream = block.source.form is Form.STREAM
    arguments = ["&op", "samples", *(["count"] if stream else [])]
    arguments += [f"table_{const.role}" for const in call.tables]
    arguments += [*(f"memory_{own.role}" for own in memories), "output"]
    yield "extern void begin(void);\nextern void step(void);\nvoid begin(void)\n{\n}"
    yield "void step(void)\n{"
    yield f"    static const tflm_ext_{call.name}_t op = {{ {fields} }};"
    yield f"    (void)tflm_ext_{call.name}({', '.join(arguments)});\n}}\n"


def _table(dtype: DType, name: str, values: Array) -> str:
    return f"static const {dtype.c} {name}[] = {{\n{number_lines(dtype, values.tolist())}\n}};"
