"""bench(): what one inference of a model costs on the emulated core, operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tflm_ext.api import load, make_options
from tflm_ext.bench.compare import require_equal
from tflm_ext.bench.emulator import compiler_name, measure, require_tools
from tflm_ext.convert import load_npz
from tflm_ext.emit.files import RenderedFile
from tflm_ext.emit.model import model_files
from tflm_ext.errors import ConfigError
from tflm_ext.options import Runtime
from tflm_ext.pipeline import Analysis, Options, analyse
from tflm_ext.recheck import load_project, model_sources


@dataclass(frozen=True, slots=True)
class OperatorFigures:
    """One operator.

    Attributes:
        index, operator, kernel: as in the report.
        keras_layer: whose it is, "" if unknown.
        macs: multiply-accumulate operations.
        elements: of its first output.
        instructions: executed, those of the measurement itself included: at most 100.
    """

    index: int
    operator: str
    kernel: str
    keras_layer: str
    macs: int
    elements: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Bench:
    """One model on the emulated core.

    Attributes:
        model, sha256: name and hash.
        optimize: what the planner favoured.
        core, compiler: what ran, and what compiled it, with its optimisation.
        macs: multiply-accumulate operations of one inference.
        instructions: executed in one inference.
        context_bytes: sizeof(context).
        stack_bytes: used below the caller of invoke.
        weight_bytes: constant tables.
        code_bytes: linked image with the model minus the same without it, minus the tables.
        operators: in the order in which they run.
    """

    model: str
    sha256: str
    optimize: str
    core: str
    compiler: str
    macs: int
    instructions: int
    context_bytes: int
    stack_bytes: int
    weight_bytes: int
    code_bytes: int
    operators: tuple[OperatorFigures, ...]

    def to_dict(self) -> dict[str, Any]:
        """Its part of report.schema.json."""
        found = asdict(self)
        found["operators"] = [asdict(row) for row in self.operators]
        return found

    def __str__(self) -> str:
        rows = [("#", "operator", "kernel", "MACs", "instructions", "per MAC", "per element")]
        rows += [
            (
                str(row.index),
                row.operator,
                row.kernel,
                f"{row.macs:,}" if row.macs else "",
                f"{row.instructions:,}",
                f"{row.instructions / row.macs:.2f}" if row.macs else "",
                f"{row.instructions / row.elements:.1f}",
            )
            for row in self.operators
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if i in (1, 2) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        per_mac = f", {self.instructions / self.macs:.3f} per MAC" if self.macs else ""
        parts = f"{self.weight_bytes:,} weights, {self.code_bytes:,} code"
        flash = self.weight_bytes + self.code_bytes
        return "\n".join(
            [
                f"{self.model}: on the emulated {self.core}, {self.compiler}, {self.optimize}",
                "",
                *table,
                "",
                f"instructions  {self.instructions:>12,}  of {self.macs:,} MACs{per_mac}",
                f"flash         {flash:>12,}  bytes: {parts}",
                f"RAM, context  {self.context_bytes:>12,}  bytes",
                f"stack         {self.stack_bytes:>12,}  bytes",
            ]
        )


def bench(
    source: str | Path,
    *,
    calibration: str | None = None,
    board: str = "nano33ble_sense",
    optimize: str = "balanced",
    flags: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Bench:
    """Compile a model or an exported project of runtime "compiled", run one inference, and count.

    Args:
        source: folder of an exported project, whose files are measured as they lie there; or path
            of a model, as in export().
        calibration: path of a calibration .npz, for models that are not int8 yet.
        board, optimize: for a model; a project has its own.
        flags: of the compiler, after the board's, like "-O2".
        progress: called with a short text at each step.

    Raises:
        ConfigError: the folder is no such project.
        UnsupportedModelError: as in export().
        ToolError: the compiler or the emulator is missing or failed.
        VerificationError: an output differs from TensorFlow Lite Micro's.
    """
    require_tools()
    folder = Path(source)
    if (folder / "report.json").is_file():
        options, analysis, sources = _project(folder)
    else:
        name = folder.stem
        options = make_options(name, derived=True, board=board, optimize=optimize)
        data = load_npz(calibration).x if calibration else None
        int8, _ = load(source, data, None, options.runtime, progress)
        analysis = analyse(int8, options)
        sources = model_files(analysis.facts, analysis.plan)
    progress("measuring")
    whole = measure(analysis.facts, sources, options.board, flags=flags)
    require_equal(analysis, whole, "compiled")
    events = sum(len(step.view.outputs) for step in analysis.plan.steps)
    traced = measure(analysis.facts, sources, options.board, flags=flags, events=events)
    weights = analysis.plan.weight_bytes
    return Bench(
        model=analysis.facts.name,
        sha256=analysis.facts.sha256,
        optimize=options.optimize.value,
        core=options.board.core,
        compiler=compiler_name((*options.board.common_flags, *flags)),
        macs=analysis.facts.macs,
        instructions=whole.instructions,
        context_bytes=whole.context_bytes,
        stack_bytes=whole.stack_bytes,
        weight_bytes=weights,
        code_bytes=whole.flash_bytes - weights,
        operators=_operators(analysis, traced.after),
    )


def _project(folder: Path) -> tuple[Options, Analysis, Sequence[RenderedFile]]:
    exported = load_project(folder)
    if exported.options.runtime is not Runtime.COMPILED:
        raise ConfigError(
            f"{folder} has runtime {exported.options.runtime.value!r}.",
            "Give a project of runtime 'compiled', or use tflm-ext compare on the model.",
        )
    return exported.options, exported.analysis, model_sources(folder, exported.analysis.facts)


def _operators(analysis: Analysis, after: Sequence[tuple[int, int]]) -> tuple[OperatorFigures, ...]:
    spent: dict[int, int] = {}
    before = 0
    for tensor, count in after:
        spent[tensor] = count - before
        before = count
    rows = []
    for step in analysis.plan.steps:
        figures = OperatorFigures(
            index=step.index,
            operator=step.view.node.operator,
            kernel=step.kernel.name,
            keras_layer=step.view.keras_layer or "",
            macs=step.macs,
            elements=step.view.output().elements,
            instructions=0,
        )
        count = sum(spent[tensor] for tensor in step.view.node.outputs)
        rows.append(replace(figures, instructions=count))
    return tuple(rows)
