"""The Keras layer of a pipeline."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflm_ext.sense.operations import OPERATIONS
from tflm_ext.signals.pipeline import Pipeline


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
        windows = None if samples is None else self._windows(samples)
        shape = self.pipeline.out.shape
        return (batch, *shape) if windows == 1 else (batch, windows, *shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return the symbolic output."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "float32")

    def _windows(self, samples: int) -> int:
        """Return the windows of a clip."""
        source = self.pipeline.source.spec
        clip = np.zeros((samples, source.channels), source.dtype.numpy)
        return len(self.pipeline.quantized(clip))

    def call(self, clips: Any) -> Any:
        """Compute the features of a batch of clips."""
        source = self.pipeline.source.spec
        if len(clips.shape) == 2:
            clips = clips[..., tf.newaxis]
        samples = clips.shape[1]
        if all(type(block) in OPERATIONS for block in self.pipeline.blocks):
            items = tf.cast(clips, tf.int64)
            for block in self.pipeline.blocks:
                items = OPERATIONS[type(block)](block, items)
        else:
            items = tf.numpy_function(self._computed, [tf.cast(clips, source.dtype.value)], tf.int8)
            windows = None if samples is None else self._windows(samples)
            items = tf.ensure_shape(items, (clips.shape[0], windows, *self.pipeline.out.shape))
        spec = self.pipeline.out
        # A product of small integers and a scale with 15 bits is exact, so no mode can round it.
        real = tf.cast(items - tf.cast(spec.zero_point, items.dtype), tf.float32) * spec.scale
        return real[:, 0] if samples is not None and real.shape[1] == 1 else real

    def _computed(self, clips: Any) -> Any:
        return np.stack([self.pipeline.quantized(clip) for clip in clips])
