"""What compression costs and buys, measured: `make bench-compression`.

    python -m benchmarks.compression [NAME ...] [--seeds N] [--plots-only]

NAMEs are those of EXPERIMENTS; all of them take hours. Every seed is written as soon as it is
measured, and not measured again by the next run: remove results/NAME.json to start over.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.compression import plots
from benchmarks.compression.experiment import Experiment, Row
from benchmarks.compression.results import RESULTS, table

EXPERIMENTS = (
    "digits",
    "machine_sounds",
    "net_shapes",
    "distillation",
    "quantization_aware",
    "callbacks",
)


def load(name: str) -> Experiment:
    """The experiment of a module of this package."""
    from importlib import import_module

    found = import_module(f"benchmarks.compression.{name}").EXPERIMENT
    assert isinstance(found, Experiment)
    return found


def run(experiment: Experiment, seeds: int) -> None:
    """Measure the seeds that are missing, and write the results after each."""
    file = RESULTS / f"{experiment.name}.json"
    old = json.loads(file.read_text("utf-8"))["rows"] if file.exists() else []
    rows = [Row(**row) for row in old]
    for seed in range(seeds):
        if any(row.seed == seed for row in rows):
            continue
        print(f"{experiment.name}: seed {seed + 1} of {seeds}", flush=True)
        rows += experiment.measure(seed)
        write(file, experiment, rows)
    if rows:
        write(file, experiment, rows)
        print(table(json.loads(file.read_text("utf-8"))), flush=True)


def write(file: Path, experiment: Experiment, rows: list[Row]) -> None:
    """Replace a results file."""
    content = {
        "name": experiment.name,
        "title": experiment.title,
        "metric": experiment.metric,
        "about": experiment.about,
        "versions": {p: version(p) for p in ("tensorflow", "keras", "tflite-micro", "tflm_ext")},
        "rows": [asdict(row) for row in rows],
    }
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    new.replace(file)


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression")
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME")
    parser.add_argument("--seeds", type=int, help="fewer than the experiment asks for")
    parser.add_argument("--plots-only", action="store_true", help="draw what was measured before")
    arguments = parser.parse_args()
    if not arguments.plots_only:
        for name in arguments.names or EXPERIMENTS:
            experiment = load(name)
            run(experiment, min(arguments.seeds or experiment.seeds, experiment.seeds))
    plots.draw()


if __name__ == "__main__":
    main()
