"""The committed results, and their tables. Free of TensorFlow: docs/generate.py reads them, too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

RESULTS = Path(__file__).with_name("results")
_COMPRESSED = "compress(), "
_SCRATCH = "scratch, as "
SIZES = {
    "parameters": "parameters",
    "MACs": "macs",
    "weights B": "weight_bytes",
    ".tflite B": "tflite_bytes",
    "RAM B": "ram_bytes",
}


def read() -> Iterator[dict[str, Any]]:
    """Every results file there is, in the order of their names."""
    for file in sorted(RESULTS.glob("*.json")):
        yield json.loads(file.read_text("utf-8"))


def ways(result: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of every way, in the order in which they were measured."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        found.setdefault(row["way"], []).append(row)
    return found


def table(result: dict[str, Any]) -> str:
    """Mean and, of scores, its 95 % interval over the seeds of every way, as Markdown."""
    metric = result["metric"]
    columns = {
        f"{metric}, float": lambda row: row["float_score"],
        f"{metric}, int8": lambda row: row["score"],
        **{head: lambda row, name=name: row[name] for head, name in SIZES.items()},
    }
    for name in dict.fromkeys(name for row in result["rows"] for name in row["more"] or {}):
        columns[name] = lambda row, name=name: (row["more"] or {}).get(name)
    found: dict[str, list[str]] = {"way": [], "seeds": []}
    for way, rows in ways(result).items():
        found["way"].append(way)
        found["seeds"].append(str(len(rows)))
        for head, value in columns.items():
            values = [v for row in rows if (v := value(row)) is not None]
            found.setdefault(head, []).append(_cell(values, spread=head.startswith(metric)))
    shown = {head: cells for head, cells in found.items() if any(cells)}
    lines = [list(shown), ["---", *["---:"] * (len(shown) - 1)], *zip(*shown.values(), strict=True)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def differences(result: dict[str, Any]) -> str:
    """The int8 score of each way minus that of its network trained from scratch, as Markdown."""
    found = ways(result)
    lines = []
    for way, scratch in pairs(found):
        mean, half = paired(found, way, scratch)
        verdict = "not distinguishable with these data" if abs(mean) <= half else "different"
        lines.append(f"| {way} | {len(found[way])} | {signed(mean, half)} | {verdict} |\n")
    head = f"| way | seeds | {result['metric']} minus that of a new network of its size | |\n"
    return f"{head}| --- | ---: | ---: | --- |\n{''.join(lines)}" if lines else ""


def pairs(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """The ways to compress, each with its network trained from scratch."""
    compressed = [way for way in found if way.startswith(_COMPRESSED)]
    named = {way: _COMPRESSED + way.removeprefix(_SCRATCH) for way in found}
    return [
        (named[way] if named[way] in found else compressed[0], way)
        for way in found
        if way.startswith(_SCRATCH)
    ]


def paired(
    found: dict[str, list[dict[str, Any]]], way: str, other: str, key: str = "score"
) -> tuple[float, float]:
    """The interval of the int8 score of a way minus another's score, seed by seed.

    Rows of the same seed share data and split.
    """
    by_seed = {row["seed"]: row[key] for row in found[other]}
    return interval([row["score"] - by_seed[row["seed"]] for row in found[way]])


def interval(values: list[float]) -> tuple[float, float]:
    """The mean of at least two values, and half of its 95 % interval (Student's t)."""
    quantile = float(student.ppf(0.975, len(values) - 1))
    return fmean(values), quantile * stdev(values) / math.sqrt(len(values))


def signed(mean: float, half: float) -> str:
    """A difference with its interval, as text."""
    return f"{mean:+.4f} ± {half:.4f}"


def with_interval(values: list[float]) -> str:
    """The mean and, of several values, half of its 95 % interval, as text."""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    mean, half = interval(values)
    return f"{mean:.4f} ± {half:.4f}"


def _cell(values: list[float], *, spread: bool) -> str:
    if not values:
        return ""
    if spread:
        return with_interval(values)
    mean = fmean(values)
    return f"{mean:,.0f}" if abs(mean) >= 100 or mean == int(mean) else f"{mean:.3g}"
