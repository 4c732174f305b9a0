"""The committed results, and their tables. Free of TensorFlow: docs/generate.py reads them, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

RESULTS = Path(__file__).with_name("results")
SIZES = ("parameters", "macs", "weight_bytes", "tflite_bytes", "ram_bytes")


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
    """Mean and spread over the seeds of every way, as Markdown."""
    names = list(dict.fromkeys(name for row in result["rows"] for name in row["more"] or {}))
    metric = result["metric"]
    head = ["way", "seeds", f"{metric}, float", f"{metric}, int8", "parameters", "MACs"]
    head += ["weights B", ".tflite B", "RAM B", *names]
    lines = [" | ".join(head), "|".join(["---", *["---:"] * (len(head) - 1)])]
    for way, rows in ways(result).items():
        cells = [way, str(len(rows)), _spread(rows, "float_score"), _spread(rows, "score")]
        cells += [f"{fmean(row[name] for row in rows):,.0f}" for name in SIZES]
        for name in names:
            values = [row["more"][name] for row in rows if name in (row["more"] or {})]
            cells.append(f"{fmean(values):,.4g}" if values else "")
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def _spread(rows: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows if row[name] is not None]
    if not values:
        return ""
    return f"{fmean(values):.4f} ± {pstdev(values):.4f}"
