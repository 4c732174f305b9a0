"""Draws pipelines of all stages that need no model. A new stage needs one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from tests.signals.drawing import Random, drawn_log_mel, older
from tflm_ext.errors import ConfigError
from tflm_ext.signals import (
    MFCC,
    Alarm,
    Analog,
    Bands,
    Biquad,
    Concat,
    Crop,
    Decimate,
    Detect,
    Frames,
    Gate,
    Grey,
    HighPass,
    Image,
    KMeans,
    LowPass,
    Mahalanobis,
    Microphone,
    Motion,
    Normal,
    Pipeline,
    Raw,
    Recording,
    RemoveGravity,
    Resample,
    Resize,
    Spectrum,
    Stack,
    Statistics,
    Zscore,
)
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.statistics import MEASURES
from tflm_ext.verify.sense import drawn_recordings

Draw: TypeAlias = Callable[[Random, Spec], Any]


def whole(random: Random, low: int, high: int) -> int:
    return int(random.integers(low, high + 1))


def some(random: Random, *choices: Any) -> Any:
    return choices[int(random.integers(len(choices)))]


def hertz(random: Random, spec: Spec, share: float = 0.49) -> float:
    """Any frequency, or a low one."""
    rate = float(spec.rate)
    return rate * share * float(some(random, random.uniform(0.01, 1), random.uniform(0.002, 0.02)))


SOURCES: Mapping[str, Callable[[Random], Any]] = {
    "Analog": lambda r: Analog(whole(r, 50, 5000), whole(r, 6, 15), channels=whole(r, 1, 2)),
    "Image": lambda r: Image(whole(r, 1, 24), whole(r, 1, 24), some(r, 1, 3)),
    "Microphone": lambda r: Microphone(some(r, 8000, 16_000, 44_100), some(r, 1, 1, 1, 2)),
    "Motion": lambda r: Motion(
        some(r, 50, Fraction(119), "952/3"), axes=some(r, "acceleration", "rotation", "both")
    ),
    "Recording": lambda r: Recording(whole(r, 100, 20_000), channels=whole(r, 1, 2)),
}


def branches(random: Random, spec: Spec) -> list[tuple[Any, ...]]:
    """Two or three stages of frames, each in a separate branch."""
    names = [name for name in PLACES["frame"] if name != "Concat"]
    return [
        (PLACES["frame"][name](random, spec),)
        for name in random.choice(names, whole(random, 2, 3)).tolist()
    ]


PLACES: Mapping[str, Mapping[str, Draw]] = {
    "image": {
        "Crop": lambda r, s: Crop(whole(r, 1, s.shape[0]), whole(r, 1, s.shape[1])),
        "Grey": lambda r, s: Grey(),
        "Resize": lambda r, s: Resize(
            whole(r, 1, 20), whole(r, 1, 20), some(r, "bilinear", "nearest")
        ),
    },
    "stream": {
        "Biquad": lambda r, s: Biquad(
            ((*r.uniform(-1, 1, 3), 1.0, *r.uniform(-0.6, 0.6, 2)),) * whole(r, 1, 2),
            some(r, "int32", "float32"),
        ),
        "Decimate": lambda r, s: Decimate(whole(r, 1, 6), r.uniform(0.5, 0.9), r.uniform(50, 70)),
        "HighPass": lambda r, s: HighPass(hertz(r, s), whole(r, 1, 4), some(r, "int32", "float32")),
        "LowPass": lambda r, s: LowPass(hertz(r, s), whole(r, 1, 4), some(r, "int32", "float32")),
        "RemoveGravity": lambda r, s: RemoveGravity(hertz(r, s, 0.1)),
        "Resample": lambda r, s: Resample(s.rate * Fraction(whole(r, 1, 5), whole(r, 1, 5))),
    },
    "gate": {"Gate": lambda r, s: Gate(s.scale * 10 ** r.uniform(0, 4.3), hold=whole(r, 0, 3))},
    "frame": {
        "Bands": lambda r, s: Bands(
            bands=whole(r, 1, 12),
            form=some(r, "level", "magnitude", "power"),
            arithmetic=some(r, "int16", "float32"),
        ),
        "Concat": lambda r, s: Concat(*branches(r, s)),
        "LogMel": lambda r, s: drawn_log_mel(r, max(int(s.sampling), 40)),
        "LogMel, older": lambda r, s: older(drawn_log_mel(r, max(int(s.sampling), 40))),
        "Raw": lambda r, s: Raw(whole(r, 0, 8), flat=True),
        "Spectrum": lambda r, s: Spectrum(
            form=some(r, "level", "magnitude", "power"), arithmetic=some(r, "int16", "float32")
        ),
        "Statistics": lambda r, s: Statistics(
            *r.choice(MEASURES, whole(r, 1, len(MEASURES)), replace=False).tolist()
        ),
    },
    "features": {
        "MFCC": lambda r, s: MFCC(whole(r, 1, 13), whole(r, 0, 3)),
        "Stack": lambda r, s: Stack(whole(r, 1, 6), whole(r, 1, 4)),
        "Zscore": lambda r, s: Zscore(r.uniform(1, 8)),
    },
    "score": {
        "KMeans": lambda r, s: KMeans(clusters=whole(r, 1, 6)),
        "Mahalanobis": lambda r, s: Mahalanobis(),
        "Normal": lambda r, s: Normal(learn_windows=whole(r, 2, 200), margin=some(r, None, 0.5)),
    },
    "decision": {
        "Alarm": lambda r, s: Alarm(some(r, 1, 4, 64), 2, 3, r.uniform(0, 5), r.uniform(0.1, 9)),
        "Detect": lambda r, s: Detect(some(r, 1, 4, 64), 1, 2, r.uniform(0, 5), r.uniform(0.1, 9)),
    },
}
"""By where a stage can be, how it is drawn; what does not fit is drawn again.

After a stage that is not fitted yet, what a stage receives is that of the stage before.
"""
NEED_A_MODEL = {"Majority", "Probability", "Reconstruction"}


def possible_recordings(source: Any, samples: int, seed: int) -> list[np.ndarray[Any, Any]]:
    """Recordings that a converter with few bits can give, as those for a fit have to be."""
    found = drawn_recordings(source.spec, samples, seed=seed)
    if source.spec.form is Form.IMAGE:
        return found
    low = [channel.low for channel in source.layout]
    high = [channel.high for channel in source.layout]
    return [np.clip(own, low, high).astype(own.dtype) for own in found]


def drawn_pipeline(random: Random) -> Pipeline:
    """A pipeline that is fitted; one of eight takes images."""
    make = _drawn_for_images if random.random() < 1 / 8 else _drawn
    while True:
        try:
            pipeline = make(random)
            if not pipeline.is_fitted:
                pipeline = pipeline.fitted(possible_recordings(pipeline.source, 9000, seed=0))
            pipeline.out  # noqa: B018 - binds what comes last
            pipeline.after(None if pipeline.has_score else pipeline.out)
        except ConfigError:
            continue
        return pipeline


def _drawn_for_images(random: Random) -> Pipeline:
    source = SOURCES["Image"](random)
    stages, _ = _stages(random, source.spec, "image", whole(random, 0, 3))
    return Pipeline(source, *stages)


def _drawn(random: Random) -> Pipeline:
    names = [name for name in SOURCES if name != "Image"]
    source = SOURCES[some(random, *names)](random)
    stages, spec = _stages(random, source.spec, "stream", whole(random, 0, 2))
    length = 2 * whole(random, 1, some(random, 20, 300))
    frames = Frames(length, whole(random, 1, length + 20))
    gates, spec = _stages(random, frames.bind(spec).out, "gate", int(random.random() < 0.2))
    inner, spec = _stages(random, spec, "frame", 1)
    stages += [frames, *gates, *inner]
    stages += _stages(random, spec, "features", whole(random, 0, 3))[0]
    if random.random() < 0.6:
        return Pipeline(source, *stages)
    stages += _stages(random, spec, "score", 1)[0]
    decide = _stages(random, spec, "decision", whole(random, 0, 1))[0]
    return Pipeline(source, *stages, decide=decide[0] if decide else None)


def _stages(random: Random, spec: Spec, place: str, count: int) -> tuple[list[Any], Spec]:
    """Stages that fit, and what the last one gives."""
    found: list[Any] = []
    for name in random.choice(list(PLACES[place]), count).tolist():
        for _ in range(10):
            stage = PLACES[place][name](random, spec)
            if place not in ("image", "stream", "gate", "frame"):
                break
            try:
                spec = stage.bind(spec).out
                break
            except ConfigError:
                continue
        else:
            raise ConfigError(f"{name} does not fit {spec}.", "Draw another one.")
        found.append(stage)
    return found, spec


def assert_any_pieces(pipeline: Pipeline, samples: np.ndarray[Any, Any], random: Random) -> None:
    """What every stage gives does not depend on where a recording is cut."""
    whole_run, _ = pipeline.run(samples, pipeline.start())
    states, parts = pipeline.start(), []
    cuts = sorted(random.integers(0, len(samples) + 1, 6).tolist())
    for begin, end in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        outputs, states = pipeline.run(samples[begin:end], states)
        parts.append(outputs)
    for number, expected in enumerate(whole_run):
        found = np.concatenate([outputs[number] for outputs in parts])
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes(), f"stage {number}"
