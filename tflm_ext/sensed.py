"""What a pipeline adds to an export: its C, the comparison of that, and a test of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.emit.sense import capture_bytes, ring_bytes, sense_files
from tflm_ext.emit.sense_memory import context_bytes
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget
from tflm_ext.project.choices import PIPELINE
from tflm_ext.project.sense import sense_test_files
from tflm_ext.report.pipeline import PipelineProof
from tflm_ext.signals import Pipeline
from tflm_ext.targets import Board
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.golden_recording import GoldenRecording, make_golden_recording
from tflm_ext.verify.real_time import check_memory, check_time
from tflm_ext.verify.sense import ModelRun, prove_sense

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sensed:
    """What is added; nothing without a pipeline.

    Attributes:
        sources: files of lib/<Name>/src/ that the model does not have already.
        files: of the project.
        proof: of the comparison.
        golden: a recording with what pipeline and model make of it.
    """

    sources: tuple[RenderedFile, ...] = ()
    files: tuple[RenderedFile, ...] = ()
    proof: PipelineProof | None = None
    golden: GoldenRecording | None = None


def check_pipeline(
    facts: ModelFacts,
    pipeline: Pipeline | None,
    ram_bytes: int,
    budget: Budget,
    board: Board,
    *,
    capture_seconds: float = 0.0,
) -> None:
    """Require that pipeline and model fit the board, and that the model is fast enough.

    Args:
        ram_bytes: of the model.
        capture_seconds: for how long the firmware remembers samples.

    Raises:
        BudgetError: they do not.
    """
    if pipeline is not None:
        capture = capture_bytes(pipeline, capture_seconds)
        check_memory(facts, pipeline, ram_bytes, budget, board, capture)
        check_time(facts, pipeline, board)


def calibration_warnings(int8: Int8Model, pipeline: Pipeline | None) -> tuple[str, ...]:
    """Return a warning if the thresholds were chosen with another int8 model."""
    if pipeline is None or pipeline.calibration is None:
        return ()
    if pipeline.calibration.model_sha256 in ("", int8.sha256):
        return ()
    warning = (
        "The thresholds of the pipeline were calibrated with another int8 model, so their false "
        "alarms are not those of this one. Pass the same model and the same calibration_data to "
        "calibrated() and export()."
    )
    return (warning,)


def sense(
    pipeline: Pipeline | None,
    model: bytes,
    graph: Graph,
    facts: ModelFacts,
    sources: tuple[RenderedFile, ...],
    compiled: tuple[RenderedFile, ...] | None,
    recordings: Sequence[Array],
    progress: Callable[[str], None],
    *,
    capture_seconds: float = 0.0,
) -> Sensed:
    """Print a pipeline as C, and compare it with NumPy, and the model after it with TFLM.

    Args:
        model: bytes of the .tflite; not used if there is no model.
        graph: as read from them.
        sources: the model's files of lib/<Name>/src/.
        compiled: these, if they run on this computer; None compares the features alone.
        recordings: of the pipeline's source.
        capture_seconds: for how long the firmware remembers samples.

    Raises:
        VerificationError: they differ.
    """
    if pipeline is None:
        return Sensed()
    progress("comparing the pipeline")
    files = sense_files(facts, pipeline)
    run = ModelRun(model, arena_for(graph)) if facts.outputs else None
    if compiled is None:
        alone = replace(facts, inputs=(), outputs=())
        check = prove_sense(alone, sense_files(alone, pipeline), pipeline, recordings)
    else:
        check = prove_sense(facts, (*compiled, *files), pipeline, recordings, run)
    golden = make_golden_recording(pipeline, facts, run, recordings)
    known = {file.path for file in sources}
    return Sensed(
        sources=tuple(file for file in files if file.path not in known),
        files=(
            *sense_test_files(facts, pipeline, golden),
            RenderedFile.text(PIPELINE, pipeline.to_json()),
        ),
        proof=PipelineProof(
            pipeline,
            check.frames,
            check.bytes,
            context_bytes=context_bytes(facts, pipeline),
            ring_bytes=ring_bytes(facts, pipeline),
            capture_seconds=capture_seconds,
            capture_bytes=capture_bytes(pipeline, capture_seconds),
        ),
        golden=golden,
    )
