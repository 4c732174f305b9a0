"""README.md of a generated project."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.boards import Board
from tflm_ext.emit.escape import c_float, plain
from tflm_ext.emit.facts import Border
from tflm_ext.emit.files import RenderedFile
from tflm_ext.emit.render import render
from tflm_ext.options import Runtime
from tflm_ext.plan.sizes import compiler
from tflm_ext.project.tflm_library import LINK, SOURCE_VARIABLE, ArduinoLibrary
from tflm_ext.report import Report


@dataclass(frozen=True, slots=True)
class _TflmView:
    """What the README of runtime "tflm" says besides.

    Attributes:
        arena_bytes: the bound, part of the context.
        library: of the board.
        for_board: whether the board's TFLM can run the model.
        encoded: whether its weights are stored encoded.
        link, variable: where the tree of the other environments is, and what names it.
    """

    arena_bytes: str
    library: ArduinoLibrary
    for_board: bool
    encoded: bool
    link: str = LINK
    variable: str = SOURCE_VARIABLE


@dataclass(frozen=True, slots=True)
class _ReadmeView:
    name: str
    upper: str
    library: str
    version: str
    sha256: str
    command: str
    vectors: int
    weight_bytes: str
    code_bytes: str
    context_bytes: str
    macs: str
    compiler: str
    accuracy_rows: tuple[tuple[str, str], ...]
    environment: str
    board_title: str
    borders: tuple[tuple[str, str, str, str], ...]
    labels: str
    tflm: _TflmView | None


def readme_files(
    report: Report, board: Board, *, for_board: bool = True
) -> tuple[RenderedFile, ...]:
    """The README.md of a project, from what its report knows."""
    facts, accuracy = report.facts, report.accuracy
    tflm = None
    if report.runtime is Runtime.TFLM:
        tflm = _TflmView(
            arena_bytes=f"{facts.arena_bytes:,}",
            library=ArduinoLibrary(),
            for_board=for_board,
            encoded=report.encoding is not None,
        )
    rows: list[tuple[str, str]] = []
    if accuracy is not None:
        what = accuracy.metric.replace("_", " ")
        figures = (
            ("float", accuracy.float_model),
            ("int8 in TFLM", accuracy.int8_tflm),
            ("this C", accuracy.int8_c if tflm is None else None),
        )
        rows = [
            (f"{what}, {name}, {accuracy.samples} samples", f"{value:.4f}")
            for name, value in figures
            if value is not None
        ]
    view = _ReadmeView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        sha256=facts.sha256,
        command=facts.command,
        vectors=report.vectors or 0,
        weight_bytes=f"{facts.weight_bytes:,}",
        code_bytes=f"{report.plan.code_bytes:,}" if tflm is None else "",
        context_bytes=f"{report.ram_bytes:,}",
        macs=f"{facts.macs:,}",
        compiler=compiler(),
        accuracy_rows=tuple(rows),
        environment=board.environment,
        board_title=board.title,
        borders=tuple(
            (f"{kind} {i}", "x".join(map(str, b.shape)), *_formula(b))
            for kind, borders in (("input", facts.inputs), ("output", facts.outputs))
            for i, b in enumerate(borders)
        ),
        labels=", ".join(plain(label) for label in facts.labels),
        tflm=tflm,
    )
    return (RenderedFile.text("README.md", render("project/README.md.j2", view)),)


def _formula(border: Border) -> tuple[str, str]:
    """Scale and difference of real = scale * (difference)."""
    sign = "+" if border.zero_point < 0 else "-"
    return c_float(border.scale).removesuffix("f"), f"q {sign} {abs(border.zero_point)}"
