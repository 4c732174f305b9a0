"""What the compiled runtime costs on the emulated Cortex-M4: `make bench` writes results.csv.

    TFLM_EXT_MODELS=FOLDER python benchmarks/bench.py

Measured are the models of platformio_projects/ and those of FOLDER; rows of models that are not
there are not changed. The flags are those with which the opponent in
docs/explanation/performance.md was compiled. At the end, it prints the difference between the
planner's estimates and the measurements.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflm_ext.api import inspect_model
from tflm_ext.bench import Bench, bench
from tflm_ext.options import Optimize

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.csv"
FLAGS = ("-O2", "-mfloat-abi=hard")
COLUMNS = (
    *("model", "sha256", "optimize", "compiler", "macs", "instructions", "cycles"),
    *("context_bytes", "stack_bytes", "weight_bytes", "code_bytes"),
)
SMALL = 1000  # instructions; of layers with fewer, the measurement itself is a large part
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Error:
    """An estimate of the planner and what was measured."""

    what: str
    unit: str
    estimated: int
    measured: int

    @property
    def relative(self) -> float:
        return abs(self.estimated / self.measured - 1)


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


def write(rows: Iterable[Row]) -> None:
    """Replace the committed table."""
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda r: (r["model"], r["optimize"])))


def errors(path: Path, found: Bench) -> Iterator[Error]:
    """The estimates of the planner for a model that was measured."""
    report = inspect_model(path, optimize=found.optimize)
    title = f"{found.model}, {found.optimize}"
    for step, figures in zip(report.plan.steps, found.operators, strict=True):
        name = f"{title}: {figures.index} {figures.operator} with {figures.kernel}"
        option = step.option
        yield Error(name, "instructions", option.instructions, figures.instructions)
        if figures.cycles is not None:
            yield Error(name, "cycles", option.cycles, figures.cycles)
    if found.cycles is not None:
        whole = sum(step.option.cycles for step in report.plan.steps)
        yield Error(title, "cycles of a model", whole, found.cycles)
    flash = found.weight_bytes + found.code_bytes
    yield Error(title, "flash", report.weight_bytes + report.plan.code_bytes, flash)
    yield Error(title, "code", report.plan.code_bytes, found.code_bytes)
    yield Error(title, "RAM", report.ram_bytes, found.context_bytes)


def fit(found: Sequence[Error]) -> list[str]:
    """How good the estimates are, a line for each unit."""
    lines = []
    for unit in dict.fromkeys(error.unit for error in found):
        own = [error for error in found if error.unit == unit]
        mean = sum(error.relative for error in own) / len(own)
        large = [e for e in own if e.measured >= SMALL or e.unit not in ("instructions", "cycles")]
        worst = max(large, key=lambda error: error.relative)
        lines.append(
            f"{unit}: {len(own)} estimates, wrong by {100 * mean:.1f} % on average; of "
            f"{len(large)} large ones by {100 * worst.relative:.1f} % at most, {worst.what}"
        )
    return lines


def main() -> None:
    """Measure all models in the three ways of the planner, and print them."""
    known = {(r["sha256"], r["optimize"]): r for r in read()} if RESULTS.exists() else {}
    all_errors: list[Error] = []
    for path in models():
        for optimize in Optimize:
            found = bench(path, optimize=optimize.value, flags=FLAGS)
            known[found.sha256, found.optimize] = row(found)
            all_errors += errors(path, found)
            print(f"{found}\n", flush=True)
    write(known.values())
    print("What the planner estimated:", *fit(all_errors), sep="\n")


if __name__ == "__main__":
    main()
