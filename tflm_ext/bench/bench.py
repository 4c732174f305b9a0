"""bench(): measures one inference of a model on the emulated core, operator by operator."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from tflm_ext.bench.compare import require_equal
from tflm_ext.bench.emulator import Event, compiler_name, measure, require_tools
from tflm_ext.bench.opponents import Opponent, find_opponent
from tflm_ext.bench.pipeline import measure_pipeline
from tflm_ext.bench.pipeline_figures import PipelineFigures, pipeline_figures
from tflm_ext.bench.pipeline_on_core import check_on_core
from tflm_ext.chosen import make_options
from tflm_ext.convert import load_npz
from tflm_ext.document import Count, Limits, Sha256, declared, entry, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import DEFAULT_BOARD
from tflm_ext.project.exported import is_exported
from tflm_ext.recheck import open_project
from tflm_ext.report.measured import NAME, sources_sha256
from tflm_ext.report.report import digests, envelope
from tflm_ext.stages import Analysis, Options, analyse, load
from tflm_ext.targets import Board
from tflm_ext.targets import core as find_core
from tflm_ext.verify.real_time import check_flash
from tflm_ext.verify.sense import drawn_recordings

_COMPARED_HOPS = 100  # of the pipeline, on the emulated core

_Milliseconds: TypeAlias = Annotated[float, Limits({"minimum": 0})]


@declared("operator_figures")
@dataclass(frozen=True, slots=True)
class OperatorFigures:
    """One operator.

    Attributes:
        index, operator, kernel: as in the report.
        keras_layer: its Keras layer, "" if unknown.
        macs: multiply-accumulate operations.
        elements: of its first output.
        instructions: executed, including those of the measurement itself, which are at most 100.
        cycles: estimated; None as in Bench.
    """

    index: Count = entry()
    operator: str = entry()
    kernel: str = entry()
    keras_layer: str = entry()
    macs: Count = entry()
    elements: Count = entry("Number of elements of its first output.")
    instructions: Count = entry("Executed, including those of the measurement itself.")
    cycles: Count | None = entry("Estimated, as in bench.")


@declared("bench")
@dataclass(frozen=True, slots=True)
class Bench:
    """One model on the emulated core.

    Attributes:
        model, sha256: name and hash.
        sources_sha256: of the C that was compiled.
        optimize: what the planner minimised.
        core, compiler: the emulated core, and the compiler with its optimisation level.
        macs: multiply-accumulate operations per inference.
        instructions: executed in one inference.
        cycles: estimated, see tflm_ext/bench/cycles.py; None if QEMU cannot count them.
        cycles_missing: why `cycles` is None, or "".
        milliseconds: from and to, on the board: the cycles times the core's published ratio of
            real to estimated cycles, divided by its clock. An expected range, not a measurement;
            None if `cycles` is None, or no ratio is published.
        context_bytes: sizeof(context).
        stack_bytes: used below the caller of invoke.
        weight_bytes: constant tables.
        code_bytes: linked image with the model minus the same without it, minus the tables.
        operators: in execution order.
        opponent: measurements of another library on the same model; None if there are none.
        pipeline: before the model, which is not part of its figures; None if there is none.
    """

    model: str = entry()
    sha256: Sha256 = entry()
    sources_sha256: Sha256 = entry()
    optimize: str = entry()
    core: str = entry("The emulated core.")
    compiler: str = entry("Name, version and optimisation.")
    macs: Count = entry()
    instructions: Count = entry("Executed in one inference, exact up to 40.")
    cycles: Count | None = entry(
        "Estimated: every instruction executed times its cycles in the core's manual, memory "
        "without wait states."
    )
    cycles_missing: str = entry("Why cycles is null, or empty.")
    milliseconds: tuple[_Milliseconds, _Milliseconds] | None = entry(
        "Expected range on the board, from the cycles and published ratios of real to estimated "
        "cycles; not measured."
    )
    context_bytes: Count = entry("sizeof(context).")
    stack_bytes: Count = entry("Used below the caller of invoke.")
    weight_bytes: Count = entry("Constant tables.")
    code_bytes: Count = entry(
        "Linked image with the model minus the same without it, minus the tables."
    )
    operators: tuple[OperatorFigures, ...] = entry()
    opponent: Opponent | None = entry("Another library on the same model; null if not measured.")
    pipeline: PipelineFigures | None = entry(
        "The pipeline before the model; absent if there is none.", optional=True
    )

    def to_dict(self) -> dict[str, Any]:
        """Return its part of report.schema.json."""
        return to_json(Bench, self)

    def __str__(self) -> str:
        head = ("#", "operator", "kernel", "MACs", "instructions")
        rows = [(*head, "per MAC", "per element", "est. cycles")]
        rows += [
            (
                str(row.index),
                row.operator,
                row.kernel,
                f"{row.macs:,}" if row.macs else "",
                f"{row.instructions:,}",
                f"{row.instructions / row.macs:.2f}" if row.macs else "",
                f"{row.instructions / row.elements:.1f}",
                "" if row.cycles is None else f"{row.cycles:,}",
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
        title = f"{self.model}: on the emulated {self.core}, {self.compiler}, {self.optimize}"
        lines = [title, *self._about_core()]
        if self.operators or self.pipeline is None:
            lines += ["", *table, "", *self._totals()]
        if self.pipeline is not None:
            lines += ["", *self.pipeline.lines()]
        return "\n".join(lines)

    def _about_core(self) -> list[str]:
        """Return notes about the core that are needed to interpret the figures."""
        core = find_core(self.core)
        notes = []
        if core.emulator.runs_on != core.title:
            notes.append(
                f"An emulated {core.emulator.runs_on} executed the code, which is compiled for the"
                f" {core.title}."
            )
        if not core.tuned:
            notes.append(f"Portable kernels, not tuned for the {core.title}.")
        return notes

    def _totals(self) -> list[str]:
        """Return instructions, cycles and memory, next to the opponent's."""
        other = self.opponent
        per_mac = f", {self.instructions / self.macs:.3f} per MAC" if self.macs else ""
        parts = f"{self.weight_bytes:,} weights, {self.code_bytes:,} code"
        flash = self.weight_bytes + self.code_bytes
        rows = [
            ("instructions", self.instructions, "instructions", f"of {self.macs:,} MACs{per_mac}"),
            ("est. cycles", self.cycles, "cycles", self._about_cycles()),
            ("flash", flash, "flash_bytes", f"bytes: {parts}"),
            ("RAM, context", self.context_bytes, "ram_bytes", "bytes"),
            ("stack", self.stack_bytes, "stack_bytes", "bytes"),
        ]
        lines = [f"{'':14}{'this':>12}{other.library:>20}"] if other else []
        for title, ours, name, about in rows:
            mine = "unknown" if ours is None else f"{ours:,}"
            theirs = f"{getattr(other, name):>20,}" if other else ""
            lines.append(f"{title:14}{mine:>12}{theirs}  {about}")
        return lines + ([f"{other.library}: {other.about}"] if other else [])

    def _about_cycles(self) -> str:
        if self.milliseconds is None:
            return self.cycles_missing or "no published ratio of real to estimated cycles"
        least, most = self.milliseconds
        return f"{least:.3g} to {most:.3g} ms expected on the board, from published ratios"


def bench(
    source: str | Path,
    *,
    calibration: str | None = None,
    board: str | None = DEFAULT_BOARD,
    optimize: str = "balanced",
    flags: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Bench:
    """Compile a model or an exported project of runtime "compiled", run one inference, and count.

    Args:
        source: folder of an exported project, whose current files are measured; or path of a
            model, as in export().
        calibration: path of a calibration .npz, for models that are not int8 yet.
        board, optimize: for a model; a project has its own.
        flags: of the compiler, after the board's, like "-O2".
        progress: called with a short text at each step.

    The figures of a project are saved in its bench.json, and included in later reports.

    Raises:
        ConfigError: the folder is not such a project.
        UnsupportedModelError: as in export().
        ToolError: the compiler or the emulator is missing or failed.
        VerificationError: an output differs from TensorFlow Lite Micro's.
    """
    require_tools()
    folder = Path(source)
    exported = is_exported(folder)
    if exported:
        options, analysis, sources = _project(folder)
    else:
        name = folder.stem
        options = make_options(name, derived=True, board=board, optimize=optimize)
        data = load_npz(calibration).x if calibration else None
        int8, _ = load(source, data, None, options, progress)
        analysis = analyse(int8, options)
        sources = analysis.on_device.sources(analysis.facts)
    progress("measuring")
    found = measured(analysis, sources, options, flags)
    if exported:
        keep(found, folder)
    return found


def measured(
    analysis: Analysis,
    sources: Sequence[RenderedFile],
    options: Options,
    flags: Sequence[str] = (),
) -> Bench:
    """Return the figures of a model, with its pipeline, or of a pipeline without a model.

    Args:
        sources: the files of lib/<Name>/src/.

    Raises:
        ToolError, VerificationError: as bench().
    """
    measure_them = _with_model if analysis.facts.outputs else _alone
    return measure_them(analysis, sources, options, flags)


def check_pipeline_flash(found: Bench, options: Options) -> None:
    """Require that a model and its pipeline fit the flash of the budget and the board.

    Raises:
        BudgetError: they do not.
    """
    if found.pipeline is not None:
        model = found.weight_bytes + found.code_bytes
        own = found.pipeline.flash_bytes
        check_flash(found.model, own, model, options.budget, options.board)


def keep(found: Bench, folder: Path) -> None:
    """Write bench.json of a project, whole or not at all."""
    text = json.dumps(envelope() | {"bench": [found.to_dict()]}, indent=2, sort_keys=True)
    new = folder / f"{NAME}.new"
    new.write_text(text + "\n", "utf-8")
    new.replace(folder / NAME)


def _with_model(
    analysis: Analysis, sources: Sequence[RenderedFile], options: Options, flags: Sequence[str]
) -> Bench:
    whole = measure(analysis.facts, sources, options.board, flags=flags)
    require_equal(analysis, whole, "compiled")
    events = sum(len(step.view.outputs) for step in analysis.plan.steps)
    traced = measure(analysis.facts, sources, options.board, flags=flags, events=events)
    weights = analysis.plan.weight_bytes
    return Bench(
        model=analysis.facts.name,
        sha256=analysis.facts.sha256,
        sources_sha256=sources_sha256(digests(sources)),
        optimize=options.optimize.value,
        core=options.board.core.name,
        compiler=compiler_name((*options.board.common_flags, *flags)),
        macs=analysis.facts.macs,
        instructions=whole.instructions,
        cycles=whole.cycles,
        cycles_missing=whole.cycles_missing,
        milliseconds=_milliseconds(whole.cycles, options.board),
        context_bytes=whole.context_bytes,
        stack_bytes=whole.stack_bytes,
        weight_bytes=weights,
        code_bytes=whole.flash_bytes - weights,
        operators=_operators(analysis, traced.events),
        opponent=find_opponent(analysis.facts.sha256),
        pipeline=_pipeline(analysis, sources, options, flags, whole.cycles),
    )


def _alone(
    analysis: Analysis, sources: Sequence[RenderedFile], options: Options, flags: Sequence[str]
) -> Bench:
    """Return the figures of a pipeline without a model, of which there are none of a model."""
    return Bench(
        model=analysis.facts.name,
        sha256=analysis.facts.sha256,
        sources_sha256=sources_sha256(digests(sources)),
        optimize=options.optimize.value,
        core=options.board.core.name,
        compiler=compiler_name((*options.board.common_flags, *flags)),
        macs=0,
        instructions=0,
        cycles=0,
        cycles_missing="",
        milliseconds=(0.0, 0.0),
        context_bytes=0,
        stack_bytes=0,
        weight_bytes=0,
        code_bytes=0,
        operators=(),
        opponent=None,
        pipeline=_pipeline(analysis, sources, options, flags, 0),
    )


def _project(folder: Path) -> tuple[Options, Analysis, Sequence[RenderedFile]]:
    opened = open_project(folder)
    if not opened.options.runtime.own_code:
        raise ConfigError(
            f"{folder} has the runtime {opened.options.runtime.name!r}.",
            "Pass a project of runtime 'compiled', or use tflm-ext compare on the model.",
        )
    return opened.options, opened.analysis, opened.exported.sources()


def _pipeline(
    analysis: Analysis,
    sources: Sequence[RenderedFile],
    options: Options,
    flags: Sequence[str],
    model_cycles: int | None,
) -> PipelineFigures | None:
    """Return the figures of the pipeline, whose C equals NumPy on the emulated core."""
    pipeline, facts, board = options.pipeline, analysis.facts, options.board
    if pipeline is None:
        return None
    hop = pipeline.source.spec.rate / pipeline.frame_rate
    count = pipeline.first_window + math.ceil(_COMPARED_HOPS * hop)
    recordings = drawn_recordings(pipeline.source.spec, count, seed=0)
    check_on_core(facts, sources, pipeline, recordings, board, flags=flags)
    measured = measure_pipeline(facts, sources, pipeline, board, flags=flags)
    return pipeline_figures(pipeline, measured, board, model_cycles)


def _milliseconds(cycles: int | None, board: Board) -> tuple[float, float] | None:
    model = board.core.cycle_model
    if cycles is None or board.emulated_only or model is None or model.real_per_estimated is None:
        return None
    least, most = (
        round(1e3 * cycles * ratio / board.clock_hz, 3) for ratio in model.real_per_estimated
    )
    return least, most


def _operators(analysis: Analysis, events: Sequence[Event]) -> tuple[OperatorFigures, ...]:
    spent = {event.tensor: event for event in events}
    rows = []
    for step in analysis.plan.steps:
        own = [spent[tensor] for tensor in step.view.node.outputs]
        cycles = [event.cycles for event in own if event.cycles is not None]
        rows.append(
            OperatorFigures(
                index=step.index,
                operator=step.view.node.operator,
                kernel=step.kernel.name,
                keras_layer=step.view.keras_layer or "",
                macs=step.macs,
                elements=step.view.output().elements,
                instructions=sum(event.instructions for event in own),
                cycles=sum(cycles) if len(cycles) == len(own) else None,
            )
        )
    return tuple(rows)
