"""The decision of a pipeline, with thresholds that come from recordings and the int8 model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflm_ext.convert import convert
from tflm_ext.convert.pinned import pinned_by
from tflm_ext.errors import BudgetError, ConfigError
from tflm_ext.frontend import output_ports, read_graph
from tflm_ext.signals.bound import run_last
from tflm_ext.signals.calibration import Calibration, calibrate
from tflm_ext.signals.data import calibration_windows
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import Array
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_outputs, run_tflm


def calibration_of(
    pipeline: Pipeline,
    model: Any,
    quiet: Sequence[Any],
    eventful: Sequence[Any],
    calibration_data: Sequence[Any] | None,
    false_alarms_per_day: float,
    progress: Callable[[str], None],
) -> Calibration:
    """Return the calibration of a pipeline's decision.

    Args:
        model: as in export(); None if a stage computes a score.
        quiet, eventful: recordings without and with an event.
        calibration_data: recordings for the int8 ranges of the model; by default those that the
            pipeline was fitted on, or `quiet`.

    Raises:
        ConfigError: a recording does not fit, or the pipeline has no decision.
        UnsupportedModelError, ToolError: as in export().
    """
    if pipeline.decide is None:
        raise ConfigError(
            "The pipeline has no decision, so it has no threshold.",
            "Pass decide=sense.Alarm() or decide=sense.Detect().",
        )
    samples = [[pipeline.recording(own) for own in part] for part in (quiet, eventful)]
    scored = _Scored(pipeline, model, _data(pipeline, calibration_data, samples[0]), progress)
    items = [[scored.items(own) for own in part] for part in samples]
    seconds = sum(map(len, samples[0])) / float(pipeline.source.spec.rate)
    progress("choosing the threshold")
    found = calibrate(
        pipeline.decide,
        scored.source,
        items[0],
        items[1],
        pipeline.window_ends,
        false_alarms_per_day=false_alarms_per_day,
        duration_hours=seconds / 3600,
    )
    return replace(found, model_sha256=scored.sha256)


def require_shown(calibration: Calibration) -> None:
    """Require that the recordings show the rate of false alarms that was wanted.

    Raises:
        BudgetError: they are too short, or have too many false alarms.
    """
    if calibration.bound_per_day > calibration.wanted_per_day:
        raise BudgetError(
            f"{calibration.hours:.4g} h with {calibration.false_alarms} false alarms show fewer "
            f"than {calibration.bound_per_day:.4g} per day, not {calibration.wanted_per_day:g}.",
            "Record longer, allow more false alarms, or pass strict=False.",
        )


def _data(
    pipeline: Pipeline, given: Sequence[Any] | None, quiet: Sequence[Array]
) -> Sequence[Array]:
    if given is not None:
        return [pipeline.recording(own) for own in given]
    return pipeline.recordings or quiet


class _Scored:
    """What a pipeline's decision receives for recordings.

    Attributes:
        source: its specification.
        sha256: of the int8 model; "" without one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        model: Any,
        recordings: Sequence[Array],
        progress: Callable[[str], None],
    ) -> None:
        self._pipeline = pipeline
        self._model = b""
        self.sha256 = ""
        self._progress = progress
        output: Spec | None = None
        if not pipeline.has_score:
            output = self._convert(model, recordings)
        elif model is not None:
            raise ConfigError(
                "The pipeline computes a score itself, so it takes no model.", "Pass None."
            )
        (*before, _) = pipeline.with_decision(_Anything()).after(output)
        self._block = before[0] if before else None
        self.source = self._block.out if self._block else (output or pipeline.out)

    def _convert(self, model: Any, recordings: Sequence[Array]) -> Spec:
        """Convert the model, and return what its output is."""
        data = calibration_windows(self._pipeline, recordings)
        conversion = convert(model, data, progress=self._progress, pinned=pinned_by(self._pipeline))
        self._model, self.sha256 = conversion.int8.bytes, conversion.int8.sha256
        self._graph = read_graph(self._model, "model", run=run_outputs)
        port = output_ports(self._graph)[0]
        if port.quantization is None:
            raise ConfigError(
                "The model's output is not int8, so it has no score.", "Use another model."
            )
        own = port.quantization
        return self._pipeline.model_output(port.size, own.scale, own.zero_point)

    def items(self, samples: Array) -> Array:
        """Return what the decision receives for a recording."""
        items = run_last(self._pipeline.blocks, samples)
        if self._model and len(items):
            self._progress("running the model")
            shape = self._graph.tensors[self._graph.inputs[0]].shape
            run = run_tflm(
                self._model,
                [items.reshape(-1, *shape)],
                len(self._graph.outputs),
                arena_bytes=arena_for(self._graph),
            )
            outputs = run.outputs[0].reshape(len(items), -1)
            if getattr(self._block, "sees_input", False):
                outputs = np.concatenate([items.reshape(len(items), -1), outputs], axis=1)
            items = outputs
        elif self._model:
            items = np.zeros((0, *self.source.shape), np.int8)
        return items if self._block is None else self._block.run(items, self._block.start())[0]


class _Anything:
    """A decision that takes everything, to bind what comes before it."""

    def bind(self, source: Spec) -> Any:
        return self
