"""What the compiled runtime costs on the emulated Cortex-M4: `make bench` writes results.csv.

    TFLM_EXT_MODELS=FOLDER python benchmarks/bench.py

Measured are the models of platformio_projects/ and those of FOLDER; rows of models that are not
there stay as they are. The flags are those with which the opponent in
docs/explanation/performance.md was compiled.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from tflm_ext.bench import Bench, bench
from tflm_ext.options import Optimize

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.csv"
FLAGS = ("-O2", "-mfloat-abi=hard")
COLUMNS = (
    *("model", "sha256", "optimize", "compiler", "macs", "instructions", "cycles"),
    *("context_bytes", "stack_bytes", "weight_bytes", "code_bytes"),
)
Row = dict[str, str]


def models() -> Iterator[Path]:
    """The models that are there."""
    yield from sorted(ROOT.glob("platformio_projects/*/model/*.tflite"))
    folder = os.environ.get("TFLM_EXT_MODELS")
    yield from sorted(Path(folder).glob("*.tflite")) if folder else ()


def row(found: Bench) -> Row:
    """As the table has it."""
    return {name: str(getattr(found, name)) for name in COLUMNS}


def read() -> list[Row]:
    """The committed table."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Measure all models in the three ways of the planner, and print them."""
    known = {(r["sha256"], r["optimize"]): r for r in read()} if RESULTS.exists() else {}
    for path in models():
        for optimize in Optimize:
            found = bench(path, optimize=optimize.value, flags=FLAGS)
            known[found.sha256, found.optimize] = row(found)
            print(f"{found}\n", flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(known.values(), key=lambda r: (r["model"], r["optimize"])))


if __name__ == "__main__":
    main()
