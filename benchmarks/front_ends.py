"""What front ends cost on the emulated Cortex-M4: `make bench-front-ends` adds rows to results.csv.

    python -m benchmarks.front_ends [--tflm-source DIR --tflm-commit ID]

A row has, as those of models do: instructions and estimated cycles of one step, which takes a frame
from the ring and computes its features; the context without the ring of samples; the stack; the
tables; and the rest of the flash. With --tflm-source, a checkout of tflite-micro that has its
downloads, TensorFlow Lite Micro's signal library is measured on the same frame; its rows have the
commit in the column `optimize`, and only instructions and cycles.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.bench import COLUMNS, FLAGS, Row, read, write
from benchmarks.tflm_signals import STEPS, measure_tflm
from tflm_ext.bench.emulator import compiler_name
from tflm_ext.bench.pipeline import PipelineMeasurement, front_end, measure_pipeline
from tflm_ext.signals import Frames, LogMel, Microphone, Pipeline
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.targets import default_board

OPTIMIZE = "front end"
"""In the column `optimize`, where rows of models have what the planner minimised."""
TFLM = "TFLM"
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


def main() -> None:
    """Measure all front ends, and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tflm-source", type=Path, metavar="DIR")
    parser.add_argument("--tflm-commit", metavar="ID", help="of the checkout")
    options = parser.parse_args()
    tree, commit = options.tflm_source, f"{TFLM} {options.tflm_commit}"
    if tree is not None and not options.tflm_commit:
        parser.error("--tflm-source needs --tflm-commit")
    replaced = (OPTIMIZE,) if tree is None else (OPTIMIZE, TFLM)
    rows = [row for row in read() if not row["optimize"].startswith(replaced)]
    for name, pipeline in FRONT_ENDS.items():
        found, row = measured(name)
        rows.append(row)
        print(f"{name}: {int(row['instructions']):,} instructions, {row['cycles']} est. cycles")
        for stage in found.stages:
            print(f"    {stage.stage:20} {stage.instructions:8,}")
        flash = int(row["weight_bytes"]) + int(row["code_bytes"])
        print(f"    RAM without the ring {int(row['context_bytes']):8,} bytes")
        print(
            f"    flash                {flash:8,} bytes, {row['weight_bytes']} in tables",
            flush=True,
        )
        if tree is not None:
            other = measure_tflm(tree, pipeline, default_board(), FLAGS)
            figures = {"instructions": str(sum(other.steps)), "cycles": str(other.cycles)}
            named = {key: row[key] for key in ("model", "sha256", "compiler")}
            rows.append({**dict.fromkeys(COLUMNS, ""), **named, "optimize": commit, **figures})
            print(f"  TensorFlow Lite Micro {sum(other.steps):,}, at start {other.start:,}")
            for step, count in zip(STEPS, other.steps, strict=True):
                print(f"    {step:20} {count:8,}", flush=True)
    write(rows)


if __name__ == "__main__":
    main()
