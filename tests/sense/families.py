"""Pipelines of every family, small, and models that take their features."""

from __future__ import annotations

import functools

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext import sense
from tflm_ext.verify.sense import drawn_recordings

_MOTION = sense.Motion(50)
_IMAGE = sense.Image(24, 20, 3, rate=5)

PIPELINES = {
    "keyword": lambda: sense.Pipeline(
        sense.Microphone(),
        sense.Frames(480, 320),
        sense.LogMel(),
        sense.Stack(10, every=2),
        decide=sense.Detect(average=4, needed=3, of=5, quiet_seconds=0.5, on=0.6),
    ),
    "statistics": lambda: sense.Pipeline(
        _MOTION,
        sense.HighPass(0.3),
        sense.Frames(50, 25),
        sense.Statistics("rms", "kurtosis", "crest"),
        sense.Zscore(),
        decide=sense.Majority(of=3),
    ),
    "raw": lambda: sense.Pipeline(
        _MOTION, sense.Decimate(2), sense.Frames(16, 20), sense.Raw(flat=True), sense.Stack(2)
    ),
    "concat": lambda: sense.Pipeline(
        _MOTION,
        sense.RemoveGravity(),
        sense.Resample(40),
        sense.Frames(32, 16),
        sense.Concat(sense.Statistics("rms", "peak"), sense.Bands(32, 4)),
        sense.Zscore(),
        sense.Stack(3),
    ),
    "image": lambda: sense.Pipeline(_IMAGE, sense.Crop(16, 16), sense.Resize(8, 8), sense.Grey()),
    "autoencoder": lambda: sense.Pipeline(
        sense.Microphone(),
        sense.LowPass(3000),
        sense.Decimate(2),
        sense.Frames(256),
        sense.LogMel(16, low_hz=100, high_hz=3500),
        score=sense.Reconstruction(),
        decide=sense.Alarm(on=3.0, average=4, needed=2, of=3, quiet_seconds=1),
    ),
    "mfcc": lambda: sense.Pipeline(
        sense.Microphone(),
        sense.Frames(256, 128),
        sense.LogMel(20, pcan=None),
        sense.MFCC(10),
        sense.Zscore(),
        sense.Stack(4),
        score=sense.Probability(1),
        decide=sense.Alarm(on=0.5),
    ),
}
SCORES = {
    "k_means": lambda: (sense.LogMel(10), sense.KMeans(3)),
    "mahalanobis": lambda: (sense.Bands(bands=6), sense.Zscore(), sense.Mahalanobis()),
    "stack": lambda: (sense.LogMel(6), sense.Stack(3, every=2), sense.KMeans(2)),
    "normal": lambda: (sense.LogMel(10), sense.Normal(learn_windows=50)),
}


@functools.cache
def pipeline(name: str) -> sense.Pipeline:
    """A pipeline with all numbers."""
    if name in SCORES:
        source, frames = sense.Microphone(), sense.Frames(128)
        found = sense.Pipeline(source, frames, *SCORES[name](), decide=sense.Alarm(on=9.0))
    else:
        found = PIPELINES[name]()
    if found.is_fitted:
        return found
    return found.fitted(drawn_recordings(found.source.spec, 20_000, seed=3)[:3])


def net(
    own: sense.Pipeline, *, shape: tuple[int, ...] | None = None, scale: float | None = None
) -> bytes:
    """A dense layer after the features: classes with softmax, or as many values for an autoencoder.

    Args:
        shape: of the input, without the batch; by default, that of the features.
        scale: of the input; by default, that of the features.
    """
    spec = own.out
    shape = spec.shape if shape is None else shape
    b = ModelBuilder()
    random = np.random.default_rng(spec.size)
    scale = spec.scale if scale is None else scale
    x = b.tensor((1, *shape), scale=scale, zero_point=spec.zero_point, name="features")
    flat = b.tensor((1, spec.size), scale=scale, zero_point=spec.zero_point, name="net/flat")
    b.operator("RESHAPE", [x, b.constant(np.array([1, spec.size], np.int32))], [flat])
    same = isinstance(own.score, sense.Reconstruction)
    count = spec.size if same else 3
    y = b.tensor((1, count), scale=scale if same else 0.1, zero_point=-3, name="net/dense/BiasAdd")
    weights = b.constant(random.integers(-127, 128, (count, spec.size), np.int8), scale=0.01)
    bias = b.constant(random.integers(-90, 90, count, np.int32), scale=0.01 * scale)
    b.operator("FULLY_CONNECTED", [flat, weights, bias], [y], schema.FullyConnectedOptionsT())
    if same:
        return b.finish([x], [y])
    classes = b.tensor((1, 3), scale=1 / 256, zero_point=-128, name="net/softmax/Softmax")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    b.operator("SOFTMAX", [y], [classes], options)
    return b.finish([x], [classes])
