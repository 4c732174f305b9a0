"""Pipeline with what needs TensorFlow: tf.data and Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals import pipeline as signals
from tflm_ext.signals.data import labelled_windows
from tflm_ext.signals.given import as_recordings
from tflm_ext.signals.stage import Array


class Pipeline(signals.Pipeline):
    """A source, the stages that turn its samples into a model's input, and a decision.

    It is defined once: features() and dataset() give what a model is trained with, and
    export(pipeline=) gives the C that computes the same bytes on the device.

    Args:
        source: what the sensor gives, such as Microphone(16_000).
        stages: stages of streams, Frames, stages of frames and features, and Stack, in this order.
        decide: turns the model's outputs into events; None if the firmware uses the outputs.

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
        return labelled_windows(self, given, _listed(labels))[1]

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
        values = np.asarray(_listed(labels))
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

    def layer(self, **options: Any) -> Any:
        """Return a Keras layer that turns clips of samples into the model's input.

        Its input is (batch, samples) or (batch, samples, channels), integers of the source's type,
        and its output (batch, windows, *shape), or (batch, *shape) if a clip has one window. The
        stages that compute in integers are TensorFlow operations, which give the same values in
        eager mode, in a tf.function and in XLA. Others are computed in NumPy by
        tf.numpy_function, which XLA cannot compile: float operations of TensorFlow round
        differently from mode to mode.

        Args:
            options: of keras.layers.Layer, like name.
        """
        from tflm_ext.sense.layer import PipelineLayer

        return PipelineLayer(self.to_json(), **options)


def _listed(labels: Any) -> list[Any]:
    try:
        return list(labels)
    except TypeError as error:
        raise ConfigError(
            f"labels is a {type(labels).__name__}, not a list.",
            "Pass one label for each recording.",
        ) from error
