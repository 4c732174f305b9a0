"""compare(): measures both runtimes on the emulated core, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.bench.emulator import (
    Measurement,
    compiler_name,
    measure,
    measurement_inputs,
    require_tools,
)
from tflm_ext.bench.library import tflm_library
from tflm_ext.chosen import make_options
from tflm_ext.convert import load_npz
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.document import Count, declared, entry, to_json
from tflm_ext.errors import VerificationError
from tflm_ext.options import DEFAULT_BOARD
from tflm_ext.runtimes.tflm import InterpretedModel, Tflm
from tflm_ext.runtimes.tflm.tree import SOURCE_VARIABLE, Flavour, require_complete
from tflm_ext.stages import Analysis, Options, analyse, load
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.computable import keep_computable
from tflm_ext.verify.tflm import run_tflm

_ROWS = (
    ("flash", "flash_bytes", "bytes, model and code, as linked"),
    ("RAM, context", "context_bytes", "bytes"),
    ("stack", "stack_bytes", "bytes of one inference"),
    ("instructions", "instructions", "of one inference"),
    ("est. cycles", "cycles", "of one inference"),
)


@declared("figures")
@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresPart:
    """One runtime, written from a Measurement."""

    flash_bytes: Count = entry("Linked image with the model minus the same without it.")
    context_bytes: Count = entry("sizeof(context).")
    stack_bytes: Count = entry("Used below the caller of invoke.")
    instructions: Count = entry("Executed in one inference, exact up to 40.")
    arena_used_bytes: Count | None = entry(
        "Bytes of the arena that TensorFlow Lite Micro's interpreter used.",
        of=lambda measured: measured.arena_bytes,
        optional=True,
    )
    cycles: Count | None = entry("Estimated, as in bench.")


@declared("compare")
@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runtimes of one model on the emulated core.

    Attributes:
        model: its name.
        macs: multiply-accumulate operations per inference.
        core, compiler: the emulated core, and the compiler with its optimisation level.
        compiled: runtime "compiled".
        tflm: runtime "tflm"; None without a source of TensorFlow Lite Micro.
        tflm_version: version of TensorFlow Lite Micro, and its kernels.
        arena_bound_bytes: arena that an export with runtime "tflm" reserves.
        missing: why `tflm` is None, or "".
    """

    model: str = entry()
    macs: Count = entry()
    core: str = entry("The emulated core.")
    compiler: str = entry("Name, version and optimisation.")
    compiled: Measurement = entry(part=FiguresPart)
    tflm: Measurement | None = entry(
        "null without a source of TensorFlow Lite Micro.", part=FiguresPart | None
    )
    tflm_version: str = entry()
    arena_bound_bytes: Count | None = entry()
    missing: str = entry("Why tflm is null, or empty.")

    def to_dict(self) -> dict[str, Any]:
        """Its part of report.schema.json."""
        return to_json(Comparison, self)

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.macs:,} MACs, on the emulated {self.core}, {self.compiler}"]
        if self.tflm is None:
            lines.append(f"runtime tflm was not measured: {self.missing}")
            if self.arena_bound_bytes is not None:
                lines.append(f"its arena takes at most {self.arena_bound_bytes:,} bytes")
        columns = {"compiled": self.compiled, "tflm": self.tflm}
        measured = {name: column for name, column in columns.items() if column is not None}
        lines += ["", f"{'':14}" + "".join(f"{name:>12}" for name in measured)]
        for title, name, unit in _ROWS:
            found = [getattr(column, name) for column in measured.values()]
            texts = ("" if value is None else f"{value:,}" for value in found)
            lines.append(f"{title:14}" + "".join(f"{text:>12}" for text in texts) + f"  {unit}")
        if self.macs:
            per = [column.instructions / self.macs for column in measured.values()]
            lines.append(f"{'per MAC':14}" + "".join(f"{value:>12.2f}" for value in per))
        if self.tflm is not None:
            lines.append("")
            lines.append(f"tflm: {self.tflm_version}; all outputs equal")
            if self.tflm.arena_bytes and self.arena_bound_bytes:
                loose = self.arena_bound_bytes / self.tflm.arena_bytes - 1
                lines.append(
                    f"arena: {self.tflm.arena_bytes:,} of {self.arena_bound_bytes:,} bytes used;"
                    f" the bound is {loose:.1%} above"
                )
        return "\n".join(lines)


def compare(
    model: str | os.PathLike[str],
    *,
    calibration: str | None = None,
    board: str | None = DEFAULT_BOARD,
    optimize: str = "balanced",
    tflm_source: str | os.PathLike[str] | None = None,
    flags: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Compile a model for both runtimes, run one inference of each, and count.

    Both are compiled with the board's flags, on the board's core in QEMU, and given the same input.
    Their outputs are compared with TensorFlow Lite Micro's Python package.

    Args:
        model: path, as in export().
        calibration: path of a calibration .npz, for models that are not int8 yet.
        board: its name.
        optimize: for runtime "compiled".
        tflm_source: tree of TensorFlow Lite Micro; by default what TFLM_EXT_TFLM_SOURCE names.
        flags: of the compiler, after the board's, like "-O2".
        progress: called with a short text at each step.

    Raises:
        ConfigError, UnsupportedModelError: as in export().
        ToolError: the compiler or the emulator is missing or failed.
        VerificationError: an output differs.
    """
    require_tools()
    name = Path(model).stem
    if not tflm_source and not os.environ.get(SOURCE_VARIABLE):
        progress("measuring runtime compiled only: there are no sources of TensorFlow Lite Micro")
    chosen = {
        runtime: make_options(
            name,
            derived=True,
            board=board,
            runtime=runtime,
            optimize=optimize,
            tflm_source=tflm_source if runtime == "tflm" else None,
        )
        for runtime in ("compiled", "tflm")
    }
    options, interpreted = chosen["compiled"], chosen["tflm"]
    if isinstance(interpreted.runtime, Tflm) and interpreted.runtime.tree is not None:
        require_complete(interpreted.runtime.tree)  # before minutes of compiling
    # One model for both runtimes, which the Arduino library computes correctly.
    data = load_npz(calibration).x if calibration else None
    int8, _ = load(model, data, None, interpreted, progress)
    analysis = analyse(int8, options)
    progress("measuring the compiled runtime")
    sources = analysis.on_device.sources(analysis.facts)
    compiled = measure(analysis.facts, sources, options.board, flags=flags)
    require_equal(analysis, compiled, "compiled")
    tflm, bound, version, missing = _measure_tflm(int8, interpreted, flags, progress)
    return Comparison(
        model=analysis.facts.name,
        macs=analysis.facts.macs,
        core=options.board.core.name,
        compiler=compiler_name((*options.board.common_flags, *flags)),
        compiled=compiled,
        tflm=tflm,
        tflm_version=version,
        arena_bound_bytes=bound,
        missing=missing,
    )


def _measure_tflm(
    int8: Int8Model, options: Options, flags: Sequence[str], progress: Callable[[str], None]
) -> tuple[Measurement | None, int | None, str, str]:
    analysis = analyse(int8, options)
    interpreted = analysis.on_device
    if not isinstance(interpreted, InterpretedModel):
        raise AssertionError("runtime tflm was asked for")
    bound, tree = interpreted.arena_bytes, interpreted.tree
    if tree is not None and tree.flavour is Flavour.ARDUINO and interpreted.board_problem:
        return None, bound, "", interpreted.board_problem.problem
    if tree is None:
        hint = f"no sources; pass them with --tflm-source or {SOURCE_VARIABLE}"
        return None, bound, "", hint
    if not tree.cmsis_nn:
        progress("the sources have no CMSIS-NN: measuring TensorFlow Lite Micro's own kernels")
    library = tflm_library(tree, options.board, flags, progress)
    progress("measuring TensorFlow Lite Micro")
    sources = interpreted.sources(analysis.facts)
    measured = measure(analysis.facts, sources, options.board, flags=flags, library=library)
    require_equal(analysis, measured, "tflm")
    kernels = "CMSIS-NN" if tree.cmsis_nn else "its own kernels, because CMSIS-NN is missing"
    return measured, bound, f"{tree.flavour.value}, {kernels}", ""


def require_equal(analysis: Analysis, measured: Measurement, what: str) -> None:
    """Require that a runtime's outputs equal those of TensorFlow Lite Micro's Python package.

    Raises:
        VerificationError: an output differs.
        UnsupportedModelError: TFLM aborts on this input.
    """
    graph = analysis.graph
    columns = [
        values.reshape(1, *port.shape)
        for values, port in zip(
            measurement_inputs(analysis.facts), analysis.facts.inputs, strict=True
        )
    ]
    kept, _ = keep_computable(analysis.model, graph, columns)
    count, arena = len(graph.outputs), arena_for(graph)
    wanted = run_tflm(analysis.model, kept, count, arena_bytes=arena).outputs
    for place, (ours, theirs) in enumerate(zip(measured.outputs, wanted, strict=True)):
        wrong = int(np.count_nonzero(ours != theirs.ravel()))
        if wrong:
            raise VerificationError(
                f"Runtime {what}: {wrong} of {ours.size} values of output {place} differ from "
                "TensorFlow Lite Micro on the emulated core.",
                "Do not use this runtime for the model; report this bug with the model.",
            )
