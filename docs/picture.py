"""The picture on the README's first screen: TensorFlow Lite Micro against tflm_ext, as bars.

The figures are those of tflm_ext/bench/opponents.csv and benchmarks/results.csv, joined by the
digest of the model. docs/generate.py writes the picture; tests/docs checks that it is up to date.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
OPPONENTS = ROOT / "tflm_ext" / "bench" / "opponents.csv"
RESULTS = ROOT / "benchmarks" / "results.csv"

# The tasks of MLPerf Tiny, by the file name of their reference model.
TASKS = {
    "vww_96_int8": "visual wake words",
    "str_ww_ref_model": "streaming wake word",
    "pretrainedresnet_quant": "image classification",
    "kws_ref_model": "keyword spotting",
    "ad01_int8": "anomaly detection",
}


class Figures(NamedTuple):
    """What one inference takes: instructions executed, and bytes of RAM and flash."""

    instructions: int
    ram: int
    flash: int


def comparison() -> dict[str, tuple[Figures, Figures]]:
    """The figures of TFLM and of tflm_ext (optimize="balanced"), by the name of the task."""
    with OPPONENTS.open(encoding="utf-8", newline="") as file:
        tflm = {row["sha256"]: row for row in csv.DictReader(file) if row["library"] == "TFLM"}
    with RESULTS.open(encoding="utf-8", newline="") as file:
        rows = {r["model"]: r for r in csv.DictReader(file) if r["optimize"] == "balanced"}
    pairs = {}
    for model, task in TASKS.items():
        ours = rows[model]
        theirs = tflm[ours["sha256"]]
        pairs[task] = (
            Figures(
                int(theirs["instructions"]), int(theirs["ram_bytes"]), int(theirs["flash_bytes"])
            ),
            Figures(
                int(ours["instructions"]),
                int(ours["context_bytes"]),
                int(ours["weight_bytes"]) + int(ours["code_bytes"]),
            ),
        )
    return pairs


# ---------------------------------------------------------------- drawing


WIDTH, TOP, ROW, BAR = 920, 96, 58, 15  # pixels
LABELS = 166  # width of the column with the names of the tasks
PANEL, GAP, FULL = 232, 16, 118  # width of a panel, space between two, length of a bar at 100 %
STYLE = """\
    text { font-family: "DejaVu Sans", Verdana, Arial, sans-serif; font-size: 13px; fill: #1f2933; }
    .title { font-size: 16px; font-weight: 600; }
    .head { font-weight: 600; }
    .small { font-size: 12px; fill: #52606d; }
    .card { fill: #ffffff; stroke: #d5dbe1; }
    .tflm { fill: #a8b4c0; }
    .ours { fill: #0b7285; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #a5b1bd; }
      .card { fill: #151b23; stroke: #3d444d; }
      .tflm { fill: #6e7a87; }
      .ours { fill: #3bc9db; }
    }
"""


def picture() -> str:
    """An SVG with a row per model and a panel each for instructions, RAM and flash.

    A bar of TFLM is always of full length; that of tflm_ext is its share of it.
    """
    pairs = comparison()
    height = TOP + ROW * len(pairs) + 4
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{_description(pairs)}">'
        ),
        f"  <style>\n{STYLE}  </style>",
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(20, 32, "One inference on a Cortex-M4: MLPerf Tiny, int8", "title"),
        *_legend(),
    ]
    lines.append(_text(20, 76, "bars: share of TFLM", "small"))
    for i, name in enumerate(("instructions", "RAM", "flash")):
        lines.append(_text(_panel(i), 76, name, "head"))
    for i, (task, (tflm, ours)) in enumerate(pairs.items()):
        y = TOP + ROW * i
        lines.append(_text(20, y + 20, task))
        for j in range(3):
            show = _millions if j == 0 else _kilobytes
            lines += _bars(_panel(j), y, tflm[j], ours[j], (show(tflm[j]), show(ours[j])))
    return "\n".join([*lines, "</svg>", ""])


def _panel(index: int) -> int:
    """The left edge of a panel."""
    return 20 + LABELS + index * (PANEL + GAP)


def _legend() -> Iterator[str]:
    for x, kind, text in (
        (506, "tflm", "TensorFlow Lite Micro + CMSIS-NN"),
        (790, "ours", "tflm_ext"),
    ):
        yield f'  <rect class="{kind}" x="{x}" y="21" width="14" height="14" rx="2"/>'
        yield _text(x + 21, 32, text)


def _bars(x: int, y: int, tflm: int, ours: int, shown: tuple[str, str]) -> Iterator[str]:
    """Two bars and their figures, the lower one with its share."""
    for top, kind, length, text in (
        (y, "tflm", FULL, shown[0]),
        (y + BAR + 4, "ours", max(2, round(FULL * ours / tflm)), f"{shown[1]} {_less(tflm, ours)}"),
    ):
        yield f'  <rect class="{kind}" x="{x}" y="{top}" width="{length}" height="{BAR}" rx="2"/>'
        yield _text(x + length + 6, top + 12, text, "small")


def _less(tflm: int, ours: int) -> str:
    return f"(-{1 - ours / tflm:.0%})".replace("%", " %")


def _millions(count: int) -> str:
    return f"{count / 1e6:#.3g} M"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f} kB"


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f'  <text{marked} x="{x}" y="{y}">{text}</text>'


def _description(pairs: dict[str, tuple[Figures, Figures]]) -> str:
    """For readers who do not see the picture."""
    rows = (
        f"{task}: {_millions(tflm.instructions)} and {_millions(ours.instructions)} instructions, "
        f"{_kilobytes(tflm.ram)} and {_kilobytes(ours.ram)} of RAM, "
        f"{_kilobytes(tflm.flash)} and {_kilobytes(ours.flash)} of flash"
        for task, (tflm, ours) in pairs.items()
    )
    return f"TensorFlow Lite Micro with CMSIS-NN, then tflm_ext. {'; '.join(rows)}."
