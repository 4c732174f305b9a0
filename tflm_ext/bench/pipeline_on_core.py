"""Compares the C of a pipeline with NumPy on the emulated core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.bench.emulator import link, require_tools, run
from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import Pipeline
from tflm_ext.targets import Board
from tflm_ext.verify.sense import HarnessView, ModelRun, SenseCheck, check_sense

Array: TypeAlias = np.ndarray[Any, Any]


def check_on_core(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    pipeline: Pipeline,
    recordings: Sequence[Array],
    board: Board,
    *,
    flags: Sequence[str] = (),
    seed: int = 0,
    model: ModelRun | None = None,
) -> SenseCheck:
    """Compare what every stage gives on the emulated core of a board with NumPy, byte for byte.

    Args:
        facts, sources, pipeline, recordings, seed, model: as in check_sense().
        board: determines the core and the compiler flags.
        flags: compiler flags after the board's.

    Raises:
        VerificationError: they differ; names the first stage that does.
        ToolError: the compiler or the emulator is missing or fails.
    """
    require_tools()

    def run_there(
        facts: ModelFacts, sources: Sequence[RenderedFile], pipeline: Pipeline, blocks: bytes
    ) -> bytes:
        view = HarnessView(facts.name, facts.upper, pipeline.source.spec.dtype.c)
        with scratch_folder() as folder:
            own = folder / "sources"
            write_files(sources, own)
            include = ("-I", str(own), f"-D{facts.upper}_SENSE_TRACE")
            units = [file.path for file in sources if file.path.endswith(".c")]
            program = link(
                board,
                flags,
                folder / "program",
                render("bench/sense_on_core.c.j2", view),
                [(own / unit, (*include, *flags)) for unit in units],
                include,
            )
            return run(program, board.core, data=blocks)

    return check_sense(facts, sources, pipeline, recordings, seed=seed, model=model, run=run_there)
