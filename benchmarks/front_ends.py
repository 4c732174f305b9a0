"""What front ends cost on the emulated Cortex-M4: `make bench-front-ends` adds rows to results.csv.

    python -m benchmarks.front_ends [--tflm-source DIR --tflm-commit ID]
                                    [--cmsis-dsp DIR --cmsis-core DIR [--cmsis-commit ID]]

A row has, as those of models do: instructions and estimated cycles of one step, which takes a frame
from the ring and computes its features; the context without the ring of samples; the stack; the
tables; and the rest of the flash. With --tflm-source, a checkout of tflite-micro that has its
downloads, TensorFlow Lite Micro's signal library is measured on the same frame; its rows have the
commit in the column `optimize`, and only instructions and cycles.

Then follow rows of benchmarks.signal_tasks, which have only instructions and cycles: a task such as
a filter, and what each of our stages that does it takes. With --cmsis-dsp, CMSIS-DSP is measured,
too; the column `optimize` has its commit and the name of a function or type. Its samples are of
float32 or q31; in rows that end with "of int16", it also converts from int16 and, after a filter,
back. Without the options for other libraries, their rows remain as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import COLUMNS, FLAGS, Row, read, write
from benchmarks.cmsis_dsp import commit_of, measure_cmsis
from benchmarks.counted_steps import Spent
from benchmarks.signal_tasks import TASKS, measure_ours
from benchmarks.tflm_signals import STEPS, measure_tflm
from tflm_ext.bench.emulator import compiler_name
from tflm_ext.bench.pipeline import PipelineMeasurement, front_end, measure_pipeline
from tflm_ext.signals import Frames, LogMel, Microphone, Pipeline
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.targets import default_board

OPTIMIZE = "front end"
"""In the column `optimize`, where rows of models have what the planner minimised."""
TFLM = "TFLM"
STAGE = "stage"
CMSIS_DSP = "CMSIS-DSP"
FRONT_ENDS = {
    "log_mel_512": Pipeline(Microphone(16_000), Frames(480), LogMel()),
    "log_mel_256": Pipeline(Microphone(16_000), Frames(256), LogMel()),
}


def measured(name: str) -> tuple[PipelineMeasurement, Row]:
    """A front end on the emulated core, and its row."""
    pipeline = FRONT_ENDS[name]
    facts, sources = front_end(name, pipeline)
    found = measure_pipeline(facts, sources, pipeline, default_board(), flags=FLAGS)
    tables = table_bytes(pipeline)
    cycles = [stage.cycles for stage in found.stages]
    row = {
        "model": name,
        "sha256": pipeline.sha256,
        "optimize": OPTIMIZE,
        "compiler": compiler_name(FLAGS),
        "macs": 0,
        "instructions": sum(stage.instructions for stage in found.stages),
        "cycles": None if None in cycles else sum(own for own in cycles if own is not None),
        "context_bytes": found.context_bytes - found.ring_bytes,
        "stack_bytes": found.stack_bytes,
        "weight_bytes": tables,
        "code_bytes": found.flash_bytes - tables,
    }
    return found, {key: str(value) for key, value in row.items()}


def table_bytes(pipeline: Pipeline) -> int:
    """Bytes of all constant tables."""
    blocks = [b for b in pipeline.blocks if not isinstance(b, FramesBlock | StackBlock)]
    return sum(len(const.data) for block in blocks for const in block.lower().tables)


def row_of_stage(task: str, name: str) -> Row:
    """What one of our stages takes for a task."""
    spent = measure_ours(task, name, default_board(), FLAGS)
    return _row_of_task(task, TASKS[task][name].sha256, f"{STAGE} {name}", spent)


def rows_of_cmsis(tree: Path, core: Path, commit: str) -> Iterator[Row]:
    """What CMSIS-DSP takes for every task."""
    for found in measure_cmsis(tree, core, default_board(), FLAGS):
        way, spent, conversion = found.way, found.spent, found.conversion
        sha256 = next(iter(TASKS[way.task].values())).sha256
        name = f"{CMSIS_DSP} {commit} {way.name}"
        yield _row_of_task(way.task, sha256, name, spent)
        if way.conversion:
            yield _row_of_task(way.task, sha256, f"{name} of int16", spent + conversion)


def _row_of_task(task: str, sha256: str, name: str, spent: Spent) -> Row:
    named = {"model": task, "sha256": sha256, "optimize": name, "compiler": compiler_name(FLAGS)}
    figures = {"instructions": str(spent.instructions), "cycles": str(spent.cycles)}
    return {**dict.fromkeys(COLUMNS, ""), **named, **figures}


def main() -> None:
    """Measure all front ends and tasks, and print them."""
    options = _options()
    rows = [row for row in read() if not row["optimize"].startswith(options.replaced)]
    for name in FRONT_ENDS:
        rows += _front_end_rows(name, options.tflm_source, options.tflm_commit)
    tasks = [row_of_stage(task, name) for task, own in TASKS.items() for name in own]
    if options.cmsis_dsp is not None:
        tasks += rows_of_cmsis(options.cmsis_dsp, options.cmsis_core, options.cmsis_commit)
    for row in sorted(tasks, key=lambda row: row["model"]):
        name = f"{row['model']}, {row['optimize']}"
        print(f"{name:50} {int(row['instructions']):8,}, {row['cycles']} est. cycles")
    write([*rows, *tasks])


def _options() -> argparse.Namespace:
    """The command line, with the beginnings of `optimize` whose rows are measured again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tflm-source", type=Path, metavar="DIR")
    parser.add_argument("--tflm-commit", metavar="ID", help="of the checkout")
    parser.add_argument("--cmsis-dsp", type=Path, metavar="DIR", help="a checkout of CMSIS-DSP")
    parser.add_argument(
        "--cmsis-core", type=Path, metavar="DIR", help="CMSIS/Core/Include of a checkout of CMSIS"
    )
    parser.add_argument(
        "--cmsis-commit", metavar="ID", help="of CMSIS-DSP; by default, what git says"
    )
    options = parser.parse_args()
    options.replaced = (OPTIMIZE, STAGE)
    if options.tflm_source is not None:
        options.replaced += (TFLM,)
        if not options.tflm_commit:
            parser.error("--tflm-source needs --tflm-commit")
    if options.cmsis_dsp is not None:
        options.replaced += (CMSIS_DSP,)
        options.cmsis_commit = options.cmsis_commit or commit_of(options.cmsis_dsp)
        if options.cmsis_core is None:
            parser.error("--cmsis-dsp needs --cmsis-core")
        if not options.cmsis_commit:
            parser.error("git does not know the commit of --cmsis-dsp; pass --cmsis-commit")
    return options


def _front_end_rows(name: str, tree: Path | None, commit: str) -> Iterator[Row]:
    """Measure a front end, and the same in TensorFlow Lite Micro if there is a tree."""
    found, row = measured(name)
    yield row
    print(f"{name}: {int(row['instructions']):,} instructions, {row['cycles']} est. cycles")
    for stage in found.stages:
        print(f"    {stage.stage:20} {stage.instructions:8,}")
    flash = int(row["weight_bytes"]) + int(row["code_bytes"])
    print(f"    RAM without the ring {int(row['context_bytes']):8,} bytes")
    print(f"    flash                {flash:8,} bytes, {row['weight_bytes']} in tables", flush=True)
    if tree is not None:
        other = measure_tflm(tree, FRONT_ENDS[name], default_board(), FLAGS)
        figures = {"instructions": str(sum(other.steps)), "cycles": str(other.cycles)}
        named = {key: row[key] for key in ("model", "sha256", "compiler")}
        named["optimize"] = f"{TFLM} {commit}"
        yield {**dict.fromkeys(COLUMNS, ""), **named, **figures}
        print(f"  TensorFlow Lite Micro {sum(other.steps):,}, at start {other.start:,}")
        for step, count in zip(STEPS, other.steps, strict=True):
            print(f"    {step:20} {count:8,}", flush=True)


if __name__ == "__main__":
    main()
