"""The committed results, and their tables. Free of TensorFlow: docs/generate.py reads them, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

RESULTS = Path(__file__).with_name("results")
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
    """Mean and, of scores, standard deviation over the seeds of every way, as Markdown."""
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


def _cell(values: list[float], *, spread: bool) -> str:
    if not values:
        return ""
    mean = fmean(values)
    if spread:
        return f"{mean:.4f} ± {pstdev(values):.4f}"
    return f"{mean:,.0f}" if abs(mean) >= 100 or mean == int(mean) else f"{mean:.3g}"
