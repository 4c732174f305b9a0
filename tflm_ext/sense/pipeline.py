"""Pipeline with what needs TensorFlow: tf.data and Keras."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals import pipeline as signals
from tflm_ext.signals.checks import real
from tflm_ext.signals.data import labelled_windows, listed
from tflm_ext.signals.gate import GateBlock
from tflm_ext.signals.given import as_recordings
from tflm_ext.signals.stage import Array

_P = TypeVar("_P", bound="Pipeline")


class Pipeline(signals.Pipeline):
    """A source, the stages that turn its samples into a model's input, and a decision.

    It is defined once: features() and dataset() give what a model is trained with, and
    export(pipeline=) gives the C that computes the same bytes on the device.

    Args:
        source: what the sensor gives, such as Microphone(16_000).
        stages: stages of streams, Frames, stages of frames and features, and Stack, in this order.
        score: turns the model's outputs into one number; None if `decide` takes the outputs, or if
            a stage computes a score without a model.
        decide: turns outputs or scores into events; None if the firmware uses them itself.

    Raises:
        ConfigError: a stage cannot work on what it receives.
    """

    def labels(self, recordings: Any, labels: Sequence[Any]) -> Array:
        """Return the label of every window of recordings, in the order of features().

        Args:
            recordings: one or several.
            labels: one for each recording.

        Raises:
            ConfigError: there are more or fewer labels than recordings.
        """
        given = as_recordings(recordings, "recordings")
        return labelled_windows(self, given, listed(labels))[1]

    def dataset(self, recordings: Any, labels: Sequence[Any] | None = None) -> Any:
        """Return the windows of recordings as a tf.data.Dataset, one element each.

        The features are computed in NumPy, one recording at a time, when they are needed.

        Args:
            recordings: one or several: arrays, or paths of WAV, CSV or .npy files.
            labels: one number for each recording; None for a dataset of features alone.

        Returns:
            Elements (features, label), or features: float32 of the model's input shape.

        Raises:
            ConfigError: a recording does not fit the source, or there are more or fewer labels than
                recordings.
        """
        import tensorflow as tf

        given = as_recordings(recordings, "recordings")
        spec = tf.TensorSpec(self.out.shape, tf.float32)
        if labels is None:
            return tf.data.Dataset.from_generator(
                lambda: self._windows(given), output_signature=spec
            )
        values = np.asarray(listed(labels))
        if len(values) != len(given):
            raise ConfigError(
                f"There are {len(given)} recordings and {len(values)} labels.",
                "Pass one label for each recording.",
            )

        def pairs() -> Iterator[tuple[Array, Any]]:
            for own, value in zip(given, values, strict=True):
                for window in self._windows([own]):
                    yield window, value

        label = tf.TensorSpec(values.shape[1:], tf.as_dtype(values.dtype))
        return tf.data.Dataset.from_generator(pairs, output_signature=(spec, label))

    def _windows(self, recordings: Sequence[Any]) -> Iterator[Array]:
        for own in recordings:
            yield from self.real(self.quantized(own))

    def show(
        self, picture: str | os.PathLike[str] | None = None, *, board: str | None = None
    ) -> None:
        """Print what each stage gives, how often, and what it needs.

        Args:
            picture: a .png, .svg or .pdf file, to draw it, too.
            board: a name that `tflm-ext boards` lists, to count instructions on its emulated core.

        Raises:
            ConfigError: the pipeline is not fitted, or there is no such board.
            ToolError: the compiler, the emulator or matplotlib is missing.
            StorageError: the picture cannot be written.
        """
        from tflm_ext.pictures import check_path
        from tflm_ext.sense.shown import shown

        if picture is not None:
            check_path(picture)
        found = shown(self, board)
        print(found)
        if picture is not None:
            found.picture(picture)

    def calibrated(
        self: _P,
        model: Any,
        recordings: Any,
        events: Any = (),
        *,
        false_alarms_per_day: float,
        calibration_data: Any = None,
        strict: bool = False,
        picture: str | os.PathLike[str] | None = None,
        progress: bool | Callable[[str], None] = True,
    ) -> _P:
        """Return the pipeline with thresholds that keep false alarms rare, and print what they do.

        The int8 model runs in TensorFlow Lite Micro on the bytes that the device computes. If the
        recordings are too short to show the rate, the threshold comes from the tail of their
        scores, and what they do show is printed.

        Args:
            model: as in export(); None if a stage computes a score.
            recordings: one or several without any event, not used in training. Three days without a
                false alarm show one a day.
            events: recordings with an event each, for the share that is found and the delay.
            false_alarms_per_day: allowed.
            calibration_data: recordings for the int8 ranges, as in export(); by default those that
                the pipeline was fitted on, or `recordings`.
            strict: refuse thresholds whose rate the recordings do not show.
            picture: a .png, .svg or .pdf file, to draw rates and share found over the threshold.
            progress: as in export().

        Returns:
            A pipeline whose `calibration` has the curve.

        Raises:
            ConfigError: the pipeline has no decision, or the recordings are too short.
            BudgetError: strict, and the recordings do not show the rate.
            UnsupportedModelError, ToolError: as in export(); or matplotlib is missing.
            StorageError: the picture cannot be written.
        """
        from tflm_ext.pictures import check_path
        from tflm_ext.report.progress import show_progress
        from tflm_ext.sense.calibrated import calibration_of, require_shown

        if picture is not None:
            check_path(picture)
        allowed = real("false_alarms_per_day", false_alarms_per_day, 1e-6, 1e6)
        quiet = as_recordings(recordings, "recordings")
        eventful = [] if _is_empty(events) else as_recordings(events, "events")
        data = calibration_data
        if data is not None:
            data = as_recordings(data, "calibration_data")
        with show_progress(progress) as say:
            found = calibration_of(self, model, quiet, eventful, data, allowed, say)
        if strict:
            require_shown(found)
        print(found)
        if picture is not None:
            found.picture(picture)
        decide = replace(self.decide, on=found.threshold, off=found.off)
        return self.with_decision(decide, found)

    def layer(self, **options: Any) -> Any:
        """Return a Keras layer that turns clips of samples into the model's input.

        Its input is (batch, samples) or (batch, samples, channels), or (batch, *image), integers of
        the source's type. Its output is (batch, windows, *shape), or (batch, *shape) if a clip has
        one window, like an image. Where all stages compute in integers, it consists of TensorFlow
        operations, which give the same values in eager mode, in a tf.function and in XLA. The
        others are computed in NumPy by tf.numpy_function, which XLA cannot compile: float
        operations of TensorFlow round differently from mode to mode.

        Args:
            options: of keras.layers.Layer, like name.

        Raises:
            ConfigError: the pipeline is not fitted, computes a score, or has a Gate.
        """
        if self.has_score:
            raise ConfigError(
                "The pipeline computes a score, which no model receives.",
                "Leave out the stage of the score.",
            )
        if any(isinstance(block, GateBlock) for block in self.blocks):
            raise ConfigError(
                "Gate leaves out frames, so clips of one batch have different numbers of windows.",
                "Use dataset() or features(), which take recordings one by one.",
            )
        from tflm_ext.sense.layer import PipelineLayer

        return PipelineLayer(self.to_json(), **options)


def _is_empty(given: Any) -> bool:
    return isinstance(given, tuple | list) and not given
