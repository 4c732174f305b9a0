"""What pages that are written by hand show of measurements and results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import bench
from benchmarks.compression import results
from benchmarks.front_ends import CMSIS_DSP, OPTIMIZE, STAGE, TFLM
from docs import front_ends
from tflm_ext.api import inspect_model
from tflm_ext.report import Accuracy

DIGITS = Path(__file__).resolve().parents[1] / "platformio_projects" / "digits"
SIZES = ("weight_bytes", "macs")
NEW_NETWORK = "a new network of that size"
NETWORKS = {
    "digits": (
        "digits, 450 test images",
        {
            "as given": "as given",
            "compress(), balanced": 'compress(), "balanced"',
            "scratch, as balanced": NEW_NETWORK,
            "compress(), smallest": 'compress(), "smallest"',
            "scratch, as smallest": NEW_NETWORK,
        },
    ),
    "machine_sounds": (
        "sounds of a fan, AUC",
        {
            "as given": "as given",
            "compress(), weights 3 times smaller": "compress(), 3 times smaller",
            "scratch, as compressed": NEW_NETWORK,
        },
    ),
}
TASKS = {
    "log_mel_512": "LogMel, 40 bands of 480 samples",
    "log_mel_256": "LogMel, 40 bands of 256 samples",
    "spectrum_512": "Hann window, Fourier transform, power, 512 points",
    "spectrum_256": "the same, 256 points",
    "biquad_1": "filter, one section, 512 samples",
    "biquad_2": "filter, two sections, 512 samples",
    "statistics": "mean, RMS, variance and peak, 512 samples",
}


def printed() -> str:
    """What print(result) shows of the committed project, without the line that names its folder."""
    document = json.loads((DIGITS / "report.json").read_text("utf-8"))
    report = dataclasses.replace(
        inspect_model(DIGITS / "model" / "digits.tflite"),
        vectors=document["verification"]["inputs"],
        scores=(Accuracy(**document["accuracy"]),),
    )
    return f"{report}\n"


def compression() -> str:
    """The README's rows: int8 score, difference from a new network, weights in bytes, MACs."""
    lines = []
    for name, (title, names) in NETWORKS.items():
        found = results.ways(read(name))
        differences = {
            way: results.signed(*results.paired(found, way, scratch))
            for way, scratch in results.pairs(found)
        }
        for way, shown in names.items():
            rows = found[way]
            lines.append(
                _line(
                    title if way == next(iter(names)) else "",
                    shown,
                    results.with_interval([row["score"] for row in rows]),
                    differences.get(way, ""),
                    *(f"{fmean(row[key] for row in rows):,.0f}" for key in SIZES),
                )
            )
    return "".join(lines)


def distillation() -> str:
    """The rows of the page on distillation."""
    return _scores("distillation")


def quantization_aware() -> str:
    """The rows of the page on quantisation-aware training."""
    return _scores("quantization_aware")


def front_ends_of_sound() -> str:
    """The rows of the page on front ends: instructions, RAM, flash."""
    return _front_ends("sound")


def front_ends_of_motion() -> str:
    """The same, of motion."""
    return _front_ends("motion")


def _front_ends(table: str) -> str:
    return "".join(
        _line(f"`{row.front_end}`", f"{row.instructions:,}", f"{row.ram:,}", f"{row.flash:,}")
        for row in front_ends.read()
        if row.table == table
    )


def streams() -> str:
    """The rows of the page on front ends: instructions of filters, for a hop and a sample."""
    lines = []
    for row in front_ends.read():
        if row.table == "streams":
            samples = front_ends.samples(row)
            per_sample = f"{row.stage / samples:.0f}"
            lines.append(
                _line(f"`{row.front_end}`", f"{row.stage:,}", per_sample, f"{row.flash:,}")
            )
    return "".join(lines)


def scores_and_alarm() -> str:
    """The rows of the page on events: instructions of a score and of the decision after it."""
    return "".join(
        _line(f"`{row.front_end}`", f"{row.stage:,}")
        for row in front_ends.read()
        if row.table == "scores"
    )


def against_libraries() -> str:
    """The rows of the page on performance: tasks that other libraries do, from results.csv."""
    rows = bench.read()
    lines = []
    for task, title in TASKS.items():
        own = [row for row in rows if row["model"] == task]
        counts = {row["optimize"]: f"{int(row['instructions']):,}" for row in own}
        names = [name for name in counts if not name.endswith(" of int16")]
        names.sort(key=lambda name: name.startswith((OPTIMIZE, STAGE)))
        for name in names:
            with_int16 = counts.get(f"{name} of int16")
            bare = counts[name] if with_int16 else ""
            shown = title if name == names[0] else ""
            lines.append(_line(shown, _code(name), bare, with_int16 or counts[name]))
    return "".join(lines)


def _code(name: str) -> str:
    """Whose code a row of results.csv is about."""
    if name.startswith((TFLM, CMSIS_DSP)):
        library, _, *which = name.split()
        return ", ".join([library, *(f"`{part}`" for part in which)])
    return " ".join(["tflm_ext", *name.split()[1:]]) if name != OPTIMIZE else "tflm_ext"


def cmsis_commit() -> str:
    """The commit of CMSIS-DSP whose rows are in results.csv."""
    names = {row["optimize"] for row in bench.read()}
    (commit,) = {name.split()[1] for name in names if name.startswith(CMSIS_DSP)}
    return commit


def _scores(name: str) -> str:
    """Every way of a results file, its float score and its int8 score."""
    lines = []
    for way, found in results.ways(read(name)).items():
        cells = [
            results.with_interval([row[key] for row in found]) for key in ("float_score", "score")
        ]
        lines.append(_line(f"{way}, one training" if len(found) == 1 else way, *cells))
    return "".join(lines)


def _line(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"


def read(name: str) -> dict[str, Any]:
    """One of the committed results files."""
    (result,) = (result for result in results.read() if result["name"] == name)
    return result
