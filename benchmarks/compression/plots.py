"""Scores against bytes of weights and against MACs, for the docs."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from benchmarks.compression.results import read, ways

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
AXES = (("weight_bytes", "weights, bytes"), ("macs", "multiply-accumulates"))


def draw() -> None:
    """One picture per experiment that has sizes to compare: docs/images/compression-NAME.png."""
    for result in read():
        scored = all(row["score"] is not None for row in result["rows"])
        if scored and len({row["weight_bytes"] for row in result["rows"]}) > 1:
            _draw(result)


def _draw(result: dict[str, Any]) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, plots = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    markers = "osD^vPX*<>hp"
    for plot, (size, label) in zip(plots, AXES, strict=True):
        for i, (way, rows) in enumerate(ways(result).items()):
            scores = [row["score"] for row in rows]
            plot.errorbar(
                fmean(row[size] for row in rows),
                fmean(scores),
                yerr=pstdev(scores),
                fmt=markers[i % len(markers)],
                color=plt.get_cmap("tab20")(i % 20),
                capsize=3,
                label=way,
            )
        plot.set_xscale("log")
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        plot.xaxis.set_minor_formatter(NullFormatter())
        plot.set_xlabel(label)
        plot.grid(alpha=0.3, which="both")
    plots[0].set_ylabel(f"{result['metric']}, int8")
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.suptitle(result["title"])
    figure.savefig(IMAGES / f"compression-{result['name']}.png", dpi=110)
    plt.close(figure)
