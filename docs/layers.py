"""The picture in docs/explanation/architecture.md: the packages as layers, and the data flow.

The layers are those of the import contracts in setup.cfg, which import-linter checks. What is said
of a package is here. docs/generate.py writes the picture; tests/docs checks that it is up to date.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tflm_ext.targets import boards, cores

ROOT = Path(__file__).resolve().parents[1]

# What each package does, short enough for its box.
PACKAGES: Mapping[str, str] = {
    "cli": "the command line",
    "replay": "runs recordings in projects",
    "collect": "records devices, and listens",
    "bench": "counts instructions",
    "doctor": "finds missing tools",
    "recheck": "verifies and inspects exported projects",
    "api": "export(), inspect, build(), test()",
    "compression": "trains a Keras model to be smaller",
    "sense": "signal pipelines, with tf.data and Keras",
    "chosen": "options, checked",
    "sensed": "what a pipeline adds to an export",
    "stages": "an export, stage by stage",
    "runtimes": "what runs the model on the device",
    "encoding": "weights for DECODE",
    "project": "writes the tree, runs pio",
    "convert": "Keras to int8 .tflite",
    "verify": "compares C with TFLM",
    "qat": "layers that round in training as int8 does",
    "device": "talks to boards",
    "report": "report.json and text",
    "emit": "prints the model as C",
    "plan": "chooses kernels, places tensors, checks the budget",
    "store": "keeps recordings in a folder",
    "signals": "from samples to features, in NumPy and C",
    "kernels": "ways to run an operator, as calls of C functions",
    "passes": "proven rewrites",
    "rewrite": ".tflite to .tflite",
    "frontend": "untrusted .tflite bytes to a checked graph",
    "reference": "runs a graph in NumPy",
    "ops": "one file for each operator: what TFLM computes",
    "opslib": "what operators share",
    "arithmetic": "the only Python that rounds",
    "targets": "boards and cores",
    "ir": "graph, tensors, nodes, facts about the model",
    "flatbuffer": "a reader that trusts no offset",
    "options": "what users choose",
    "warm": "starts our Python programs quickly, as forks",
    "programs": "processes",
    "scratch": "work folders",
    "shell": "streams, signals",
    "document": "JSON",
    "near": "hints",
    "pictures": "plots",
    "storage": "disks",
    "errors": "problem, hint",
    "version": "",
}

# The package with which a group of layers begins, and what the group is.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "cli": ("What users call",),
    "stages": ("An export", "and its results"),
    "emit": ("The compiler",),
    "reference": ("What TFLM means",),
    "targets": ("What all others", "build upon"),
}

# The packages that a model passes through, in this order.
FLOW = ("convert", "frontend", "passes", "plan", "emit", "verify", "project")


class Contracts(NamedTuple):
    """What import-linter holds.

    Attributes:
        layers: packages from the top; those of a layer side by side.
        runtimes: those that do not know each other.
        frameworks: packages that may import TensorFlow or Keras.
    """

    layers: list[list[str]]
    runtimes: list[str]
    frameworks: set[str]


def contracts() -> Contracts:
    """The import contracts of setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = _layers(parser, "layers")
    light = parser["importlinter:contract:tensorflow"]["source_modules"].split()
    known = {package for layer in layers for package in layer}
    return Contracts(
        layers=layers,
        runtimes=_layers(parser, "runtimes")[0],
        frameworks=known - {module.removeprefix("tflm_ext.") for module in light},
    )


def _layers(parser: configparser.ConfigParser, contract: str) -> list[list[str]]:
    lines = parser[f"importlinter:contract:{contract}"]["layers"].strip().splitlines()
    return [re.split(r"\s*[|:]\s*", line.strip()) for line in lines]


# ---------------------------------------------------------------- drawing


WIDTH = 960  # pixels, as all that follow
LEFT, BOXES, RIGHT = 172, 520, 732  # where the boxes begin, their width, where the notes begin
ROW, BOX, GAP, TOP = 34, 28, 30, 58  # of a layer, its boxes, between two groups, above the first
STYLE = """\
    text { font-family: "DejaVu Sans", Verdana, Arial, sans-serif; font-size: 12px; fill: #1f2933; }
    .title { font-size: 16px; font-weight: 600; }
    .head { font-size: 13px; font-weight: 600; }
    .small { font-size: 11px; fill: #52606d; }
    .name { font-weight: 600; }
    .number { font-size: 11px; font-weight: 600; fill: #ffffff; text-anchor: middle; }
    .card { fill: #ffffff; stroke: #d5dbe1; }
    .group { fill: #f1f4f7; }
    .box { fill: #ffffff; stroke: #9aa7b4; }
    .keras { fill: #fff4da; stroke: #a47414; }
    .badge { fill: #0b7285; }
    .end { fill: #e3f2f4; stroke: #0b7285; }
    .arrow { fill: none; stroke: #7b8794; stroke-width: 1.6; }
    .flow { fill: none; stroke: #0b7285; stroke-width: 1.6; }
    .arrowhead { fill: #7b8794; }
    .flowhead { fill: #0b7285; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #a5b1bd; }
      .card { fill: #151b23; stroke: #3d444d; }
      .group { fill: #1d2530; }
      .box { fill: #151b23; stroke: #5b6672; }
      .keras { fill: #3a2f14; stroke: #c8962e; }
      .end { fill: #10343a; stroke: #3bc9db; }
    }
"""


def picture() -> str:
    """An SVG with a row per layer; what a package imports is below it."""
    held = contracts()
    rows = _rows(held.layers)
    height = rows[held.layers[-1][0]] + BOX + 62
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{_description(held.layers)}">'
        ),
        f"  <style>\n{STYLE}  </style>",
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(20, 32, "The packages of tflm_ext: each imports only what is below it", "title"),
        *_groups(held.layers, rows),
    ]
    for layer in held.layers:
        lines += _layer(layer, rows[layer[0]], held.frameworks)
    lines += _ends(rows)
    lines += _notes(rows, held)
    lines += _legend(height - 26)
    return "\n".join([*lines, "</svg>", ""])


def _rows(layers: list[list[str]]) -> dict[str, int]:
    """The upper edge of every package's box."""
    rows, y = {}, TOP
    for i, layer in enumerate(layers):
        if i and layer[0] in GROUPS:
            y += GAP
        rows.update(dict.fromkeys(layer, y))
        y += ROW
    return rows


def _groups(layers: list[list[str]], rows: Mapping[str, int]) -> Iterator[str]:
    """A background for each group, its title, and an arrow from the one above."""
    starts = [i for i, layer in enumerate(layers) if layer[0] in GROUPS]
    for start, end in zip(starts, [*starts[1:], len(layers)], strict=True):
        first, last = layers[start][0], layers[end - 1][0]
        top, bottom = rows[first] - 8, rows[last] + BOX + 8
        yield (
            f'  <rect class="group" x="12" y="{top}" width="{WIDTH - 24}" '
            f'height="{bottom - top}" rx="6"/>'
        )
        for i, line in enumerate(GROUPS[first]):
            yield _text(24, rows[first] + 18 + 16 * i, line, "head")
        if start:
            x = LEFT + BOXES // 2
            yield from _arrow("arrow", (x, top - GAP + 10), (x, top - 7))


def _layer(layer: list[str], y: int, frameworks: set[str]) -> Iterator[str]:
    """The boxes of a layer, side by side."""
    width = (BOXES - 8 * (len(layer) - 1)) // len(layer)
    for i, package in enumerate(layer):
        x = LEFT + i * (width + 8)
        kind = "keras" if package in frameworks else "box"
        yield f'  <rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{BOX}" rx="4"/>'
        at = x + 10
        if package in FLOW:
            yield f'  <circle class="badge" cx="{x + 16}" cy="{y + BOX // 2}" r="9"/>'
            yield _text(x + 16, y + BOX // 2 + 4, str(FLOW.index(package) + 1), "number")
            at += 22
        said = f'<tspan class="name">{package}</tspan>'
        if PACKAGES[package]:
            said += f'<tspan class="small" dx="8">{PACKAGES[package]}</tspan>'
        yield _text(at, y + 18, said)


def _ends(rows: Mapping[str, int]) -> Iterator[str]:
    """Where a model enters, and where the project leaves."""
    inner, outer = rows[FLOW[0]], rows[FLOW[-1]]
    for x, y, text in ((24, inner, "Keras model"), (RIGHT + 4, outer, "the project")):
        yield f'  <rect class="end" x="{x}" y="{y}" width="104" height="{BOX}" rx="14"/>'
        yield _text(x + 15, y + 18, text)
    yield from _arrow("flow", (128, inner + BOX // 2), (LEFT - 6, inner + BOX // 2))
    yield from _arrow("flow", (LEFT + BOXES, outer + BOX // 2), (RIGHT - 2, outer + BOX // 2))


def _notes(rows: Mapping[str, int], held: Contracts) -> Iterator[str]:
    """The text to the right of the layers."""
    for package, lines in {
        "runtimes": (" | ".join(held.runtimes), "none knows another"),
        "emit": ("templates/", "the C, C++ and text of projects"),
        "kernels": ("templates/kernels/", "the C that kernels call"),
        "targets": (f"{len(boards())} boards, {len(cores())} cores", "data without code"),
    }.items():
        y = rows[package] + BOX // 2
        yield f'  <path class="arrow" d="M{LEFT + BOXES} {y} H{RIGHT - 4}"/>'
        yield _text(RIGHT + 4, y - 4, lines[0], "name")
        yield _text(RIGHT + 4, y + 10, lines[1], "small")


def _legend(y: int) -> Iterator[str]:
    yield f'  <circle class="badge" cx="33" cy="{y - 4}" r="9"/>'
    yield _text(33, y, "1", "number")
    yield _text(50, y, "the data flow of an export, in this order")
    yield f'  <rect class="keras" x="360" y="{y - 13}" width="26" height="18" rx="4"/>'
    yield _text(396, y, "may import TensorFlow and Keras")


def _arrow(kind: str, start: tuple[int, int], end: tuple[int, int]) -> Iterator[str]:
    """A straight line with a head, down or to the right."""
    (x, y), (to_x, to_y) = start, end
    yield f'  <path class="{kind}" d="M{x} {y} L{to_x} {to_y}"/>'
    if x == to_x:
        head = f"M{x - 5} {to_y - 3} L{x + 5} {to_y - 3} L{x} {to_y + 5} z"
    else:
        head = f"M{to_x - 3} {to_y - 5} L{to_x - 3} {to_y + 5} L{to_x + 5} {to_y} z"
    yield f'  <path class="{kind}head" d="{head}"/>'


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f'  <text{marked} x="{x}" y="{y}">{text}</text>'


def _description(layers: list[list[str]]) -> str:
    """For readers who do not see the picture."""
    rows = "; ".join(", ".join(layer) for layer in layers)
    flow = ", ".join(FLOW)
    return f"The packages from top to bottom: {rows}. A model passes through {flow}."
