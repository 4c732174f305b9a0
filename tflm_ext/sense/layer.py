"""The Keras layer of a pipeline."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflm_ext.errors import ConfigError
from tflm_ext.sense.operations import computed, has_operations
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.spec import Form


@keras.saving.register_keras_serializable("tflm_ext")
class PipelineLayer(keras.layers.Layer):  # type: ignore[misc]
    """Turns clips of samples into features, each clip from a fresh start.

    Args:
        pipeline: its JSON.
        options: of keras.layers.Layer.
    """

    def __init__(self, pipeline: str, **options: Any) -> None:
        super().__init__(trainable=False, dtype="float32", **options)
        self.json = pipeline
        self.pipeline = Pipeline.from_json(pipeline)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's options, with the pipeline as JSON."""
        return {"name": self.name, "pipeline": self.json}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (batch, windows, *shape), or (batch, *shape) for clips with one window."""
        batch, samples, *_ = input_shape
        windows = self._windows(samples)
        shape = self.pipeline.out.shape
        return (batch, *shape) if windows == 1 else (batch, windows, *shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return the symbolic output."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "float32")

    def _windows(self, samples: int | None) -> int | None:
        """Return the windows of a clip; None if its length is not known."""
        source = self.pipeline.source.spec
        if source.form is Form.IMAGE:
            return 1
        if samples is None:
            return None
        return len(self.pipeline.quantized(np.zeros((samples, *source.shape), source.dtype.numpy)))

    def __call__(self, clips: Any, *args: Any, **options: Any) -> Any:
        """Call the layer. Keras would make a RuntimeError of an error in call().

        Raises:
            ConfigError: the clips do not have the shape that the source gives.
        """
        source = self.pipeline.source.spec
        given, expected = tuple(np.shape(clips)), self._clip_shape
        if source.shape[-1] == 1 and len(given) == len(expected) - 1:
            clips = clips[..., tf.newaxis]
        elif len(given) != len(expected) or given[-len(source.shape) :] != source.shape:
            raise ConfigError(
                f"The layer received clips of the shape {given}, but the source gives: {source}.",
                f"Pass clips of the shape ({', '.join(map(str, expected))}).",
            )
        return super().__call__(clips, *args, **options)

    @property
    def _clip_shape(self) -> tuple[Any, ...]:
        source = self.pipeline.source.spec
        samples = () if source.form is Form.IMAGE else ("samples",)
        return ("batch", *samples, *source.shape)

    def call(self, clips: Any) -> Any:
        """Compute the features of a batch of clips."""
        spec = self.pipeline.out
        if self.pipeline.source.spec.form is Form.IMAGE:
            clips = clips[:, tf.newaxis]  # one image each
        windows = self._windows(clips.shape[1])
        if has_operations(self.pipeline.blocks):
            items = computed(self.pipeline.blocks, tf.cast(clips, tf.int64))
        else:
            samples = tf.cast(clips, self.pipeline.source.spec.dtype.value)
            items = tf.numpy_function(self._computed, [samples], tf.int8)
        items = tf.ensure_shape(items, (clips.shape[0], windows, *spec.shape))
        # One product, which every mode rounds alike.
        real = tf.cast(tf.cast(items, tf.int32) - spec.zero_point, tf.float32) * spec.scale
        return real[:, 0] if windows == 1 else real

    def _computed(self, clips: Any) -> Any:
        return np.stack([self.pipeline.quantized(clip) for clip in clips])
