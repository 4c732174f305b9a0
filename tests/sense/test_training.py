"""What a model is trained with: Keras layer, tf.data and NumPy give the device's bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sense.recordings import clips
from tests.signals.drawn_pipelines import PLACES, drawn_pipeline, possible_recordings
from tflm_ext import sense
from tflm_ext.errors import ConfigError
from tflm_ext.signals.spec import Form

MODES = ("eager", "function", "XLA")

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


RISING = ("mean", "rms", "variance", "deviation", "peak", "peak_to_peak", "zero_crossings")
INTEGERS = {
    "crop, resize and grey": (
        sense.Image(20, 24, 3),
        sense.Crop(16, 16),
        sense.Resize(9, 30),
        sense.Grey(),
    ),
    "nearest": (sense.Image(20, 24), sense.Resize(7, 40, "nearest")),
    "biquad": (
        sense.Motion(100),
        sense.Biquad(((0.4, 0.2, 0.1, 1.0, -0.3, 0.2),) * 2),
        sense.Frames(50),
        sense.Raw(),
    ),
    "high-pass": (sense.Motion(100, axes="both"), sense.HighPass(2.0, 3), sense.Frames(50)),
    "low-pass": (sense.Microphone(), sense.LowPass(900.0, 4), sense.Frames(128, 64)),
    "decimate": (sense.Microphone(), sense.Decimate(5), sense.Frames(100, 30)),
    "resample": (sense.Analog(100, 10), sense.Resample("952/9"), sense.Frames(64), sense.Raw(2)),
    "gravity": (sense.Motion(100), sense.RemoveGravity(0.3), sense.Frames(25)),
    "raw": (sense.Motion(100), sense.Frames(60, 20), sense.Raw(4, flat=True), sense.Stack(2)),
    "mfcc": (
        sense.Microphone(),
        sense.Frames(480, 320),
        sense.LogMel(20),
        sense.MFCC(9, 1),
        sense.Zscore(),
    ),
    "spectrum": (
        sense.Microphone(channels=2),
        sense.Frames(200, 150),
        sense.Spectrum(),
        sense.Zscore(),
    ),
    "bands": (sense.Analog(1000, 12), sense.Frames(512), sense.Bands(128, 6, low_hz=30.0)),
    "statistics": (
        sense.Motion(100),
        sense.Frames(128, 64),
        sense.Statistics(*RISING, "energy"),
        sense.Zscore(3.3),
        sense.Stack(2),
    ),
    "concat": (
        sense.Microphone(),
        sense.Frames(256, 100),
        sense.Concat(
            sense.Statistics("rms", "mean"), (sense.LogMel(10), sense.MFCC(5)), sense.Bands(64, 4)
        ),
        sense.Zscore(),
    ),
    "concat of int8": (
        sense.Motion(100),
        sense.Frames(20),
        sense.Concat(sense.Raw(8, flat=True), sense.Raw(8, flat=True)),
    ),
}
FLOATS = {
    "moments": (sense.Motion(100), sense.Frames(50), sense.Statistics("skew"), sense.Zscore()),
    "filter": (sense.Microphone(), sense.LowPass(900.0, 2, "float32"), sense.Frames(256)),
    "spectrum": (sense.Microphone(), sense.Frames(64), sense.Spectrum(form="power")),
}


def fitted(*stages: Any) -> sense.Pipeline:
    """A pipeline that ends in int8."""
    if isinstance(stages[-1], sense.Frames):
        stages += (sense.Raw(),)
    elif isinstance(stages[-1], sense.Bands | sense.Spectrum):
        stages += (sense.Zscore(),)
    found = sense.Pipeline(*stages)
    return found.fitted(possible_recordings(found.source, 30_000, seed=1))


def clips_of(pipeline: sense.Pipeline, seed: int) -> Any:
    """Clips of a few windows each: (batch, samples, channels), or (batch, *image)."""
    samples = pipeline.first_window + 3 * pipeline.window
    longer = possible_recordings(pipeline.source, 8 * samples, seed=seed)
    is_image = pipeline.source.spec.form is Form.IMAGE
    return longer[0][:12] if is_image else np.stack([own[:samples] for own in longer])


def assert_layer_is_exact(pipeline: sense.Pipeline, given: Any, modes: Sequence[str]) -> None:
    """The layer gives the values of features(), which are those of the device."""
    import tensorflow as tf

    alone = pipeline.source.spec.form is Form.IMAGE
    found = [pipeline.features(clip[np.newaxis] if alone else clip) for clip in given]
    expected = np.stack(found)
    if expected.shape[1] == 1:
        expected = expected[:, 0]
    layer = pipeline.layer()
    calls = {
        "eager": layer,
        "function": tf.function(layer),
        "XLA": tf.function(layer, jit_compile=True),
    }
    for mode in modes:
        result = np.asarray(calls[mode](tf.constant(given)))
        np.testing.assert_array_equal(result, expected, f"{mode}: {pipeline.to_json()}")


@pytest.mark.slow
@pytest.mark.parametrize("name", PIPELINES)
def test_layer_gives_the_features_in_every_mode(name: str) -> None:
    pipeline = PIPELINES[name]
    assert_layer_is_exact(pipeline, clips(12, pipeline.window + 2000), MODES)


@pytest.mark.slow
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_are_exact_in_every_mode(name: str) -> None:
    pipeline = fitted(*INTEGERS[name])
    given = clips_of(pipeline, 2)
    assert len(np.unique(np.concatenate([pipeline.features(own) for own in given]))) >= 40
    assert_layer_is_exact(pipeline, given, MODES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOATS)
def test_floats_run_in_numpy_which_xla_cannot_compile(name: str) -> None:
    import tensorflow as tf

    pipeline = fitted(*FLOATS[name])
    given = clips_of(pipeline, 3)
    assert_layer_is_exact(pipeline, given, ("eager", "function"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"PyFunc"):
        tf.function(pipeline.layer(), jit_compile=True)(tf.constant(given))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_layers_of_drawn_pipelines(seed: int) -> None:
    from tflm_ext.sense.operations import has_operations

    pipeline = next(_layered(seed))
    modes = MODES if has_operations(pipeline.blocks) else ("eager", "function")
    assert_layer_is_exact(pipeline, clips_of(pipeline, seed), modes)


def _layered(seed: int) -> Iterator[sense.Pipeline]:
    """Drawn pipelines without score and Gate, of clips that are not long."""
    random = np.random.default_rng(seed)
    while True:
        drawn = sense.Pipeline.from_json(drawn_pipeline(random).to_json())
        gated = any(isinstance(stage, sense.Gate) for stage in drawn.stages)
        if not (drawn.has_score or gated) and drawn.first_window < 10_000:
            yield drawn


def test_every_stage_is_among_the_layers() -> None:
    def names(stages: Iterable[Any]) -> Iterator[str]:
        for own in stages:
            yield type(own).__name__
            for branch in getattr(own, "branches", ()):
                yield from names(branch)

    tables = [*INTEGERS.values(), *((p.source, *p.stages) for p in PIPELINES.values())]
    covered = {name for stages in tables for name in names(stages)}
    drawn = {name.split(",")[0] for kind in ("image", "stream", "frame") for name in PLACES[kind]}
    assert covered >= drawn | set(PLACES["features"]) | {"Frames"}


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((sense.Frames(100), sense.Gate(rms=0.1), sense.Raw()), "Gate leaves out frames"),
        ((sense.Frames(100), sense.LogMel(10), sense.KMeans(2)), "computes a score"),
    ],
)
def test_pipelines_that_have_no_layer(stages: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(sense.Microphone(), *stages).layer()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 300, 2), (2,), (2, 300, 1, 1)])
def test_clips_of_another_shape(shape: tuple[int, ...]) -> None:
    layer = fitted(*INTEGERS["decimate"]).layer()
    with pytest.raises(ConfigError, match=r"Pass clips of the shape \(batch, samples, 1\)"):
        layer(np.zeros(shape, np.int16))


@pytest.mark.slow
def test_images_without_an_axis_for_their_channel() -> None:
    pipeline = fitted(*INTEGERS["nearest"])
    given = clips_of(pipeline, 4)
    layer = pipeline.layer()
    np.testing.assert_array_equal(np.asarray(layer(given[..., 0])), np.asarray(layer(given)))


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
