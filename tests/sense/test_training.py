"""What a model is trained with: Keras layer, tf.data and NumPy give the device's bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.sense.recordings import clips
from tflm_ext import sense
from tflm_ext.errors import ConfigError

PIPELINES = {
    "stack": sense.Pipeline(
        sense.Microphone(), sense.Frames(480, 320), sense.LogMel(), sense.Stack(10)
    ),
    "no gain": sense.Pipeline(
        sense.Microphone(), sense.Frames(256, 100), sense.LogMel(20, pcan=None), sense.Stack(3, 2)
    ),
    "no noise": sense.Pipeline(
        sense.Microphone(), sense.Frames(1000), sense.LogMel(30, pcan=None, subtraction=None)
    ),
    "clamping": sense.Pipeline(
        sense.Microphone(),
        sense.Frames(100),
        sense.LogMel(8, subtraction=sense.Subtraction(clamping=True)),
        sense.Stack(2),
    ),
    "microfrontend": sense.Pipeline(
        sense.Microphone(), sense.Frames(480, 160), sense.LogMel(like="microfrontend")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PIPELINES)
def test_layer_gives_the_features_in_every_mode(name: str) -> None:
    import tensorflow as tf

    pipeline = PIPELINES[name]
    sounds = clips(12, pipeline.window + 2000)
    expected = np.stack([pipeline.features(sound) for sound in sounds])
    layer = pipeline.layer()
    for mode in (layer, tf.function(layer), tf.function(layer, jit_compile=True)):
        np.testing.assert_array_equal(np.asarray(mode(tf.constant(sounds))), expected)


@pytest.mark.slow
def test_layer_in_a_model_that_is_saved(tmp_path: Path) -> None:
    import keras

    pipeline = PIPELINES["stack"]
    sounds = clips(8, pipeline.window)
    model = keras.Sequential(
        [keras.Input((pipeline.window,), dtype="int16"), pipeline.layer(), keras.layers.Flatten()]
    )
    assert model.output_shape == (None, 400)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = np.stack([pipeline.features(sound)[0].reshape(-1) for sound in sounds])
    np.testing.assert_array_equal(np.asarray(loaded(sounds)), expected)


@pytest.mark.slow
def test_dataset_has_every_window_with_its_label() -> None:
    pipeline = PIPELINES["stack"]
    sounds = [clips(6, 6000)[0], clips(6, 9000)[1]]
    found = list(pipeline.dataset(sounds, [3, 5]))
    expected = [pipeline.features(sound) for sound in sounds]
    np.testing.assert_array_equal([x for x, _ in found], np.concatenate(expected))
    labels = [3] * len(expected[0]) + [5] * len(expected[1])
    np.testing.assert_array_equal([y for _, y in found], labels)
    np.testing.assert_array_equal(pipeline.labels(sounds, [3, 5]), labels)
    np.testing.assert_array_equal(list(pipeline.dataset(sounds)), np.concatenate(expected))


def test_labels_are_one_for_each_recording() -> None:
    with pytest.raises(ConfigError, match="2 recordings and 1 labels"):
        PIPELINES["stack"].labels([clips(6, 6000)[0]] * 2, [1])
