"""Pipeline: JSON, what it refuses, pieces and the whole, features."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.sense.recordings import clips
from tflm_ext import sense
from tflm_ext.errors import ConfigError

BELL = sense.Pipeline(sense.Microphone(), sense.Frames(480, 320), sense.LogMel(), sense.Stack(49))


def test_json_makes_an_equal_pipeline() -> None:
    found = sense.Pipeline.from_json(BELL.to_json())
    assert found == BELL
    assert isinstance(found, sense.Pipeline)
    assert found.sha256 == BELL.sha256


def test_features_are_the_bytes_times_the_scale() -> None:
    sound = clips(6, 20_000)[0]
    real, quantized = BELL.features(sound), BELL.quantized(sound)
    assert real.dtype == np.float32
    assert quantized.dtype == np.int8
    expected = (quantized.astype(np.float64) - BELL.out.zero_point) * BELL.out.scale
    np.testing.assert_array_equal(real.astype(np.float64), expected)


@pytest.mark.parametrize("hop", [1, 100, 480, 700])
def test_pieces_give_what_the_whole_gives(hop: int) -> None:
    random = np.random.default_rng(hop)
    pipeline = sense.Pipeline(
        sense.Microphone(), sense.Frames(480, hop), sense.LogMel(12), sense.Stack(3, every=2)
    )
    samples = clips(6, 480 + 12 * hop + 5)[0][:, np.newaxis]
    whole, _ = pipeline.run(samples, pipeline.start())
    for _ in range(5):
        cuts = np.sort(random.integers(0, len(samples), 7))
        states, parts = pipeline.start(), []
        for piece in np.split(samples, cuts):
            outputs, states = pipeline.run(piece, states)
            parts.append(outputs)
        for own, expected in zip(zip(*parts, strict=True), whole, strict=True):
            np.testing.assert_array_equal(np.concatenate(own), expected)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([sense.LogMel()], "needs Frames exactly once"),
        ([sense.Frames(480), sense.Frames(480)], "needs Frames exactly once"),
        ([sense.LogMel(), sense.Frames(480)], "LogMel works on a frame, but receives stream"),
        ([sense.Frames(480), sense.Stack(3)], "Stack works on a features"),
        ([sense.Frames(480), sense.LogMel(), sense.Stack(2), sense.Stack(2)], "two Stack"),
        ([sense.Frames(481), sense.LogMel()], "even length"),
        ([sense.Frames(4096), sense.LogMel()], "frames of 2 to 1024 samples"),
        ([sense.Frames(480), sense.LogMel(high_hz=9000)], "need a rate above 18000"),
        ([sense.Frames], "Frames is not a stage"),
        ([480], "480 is not a stage"),
    ],
)
def test_what_does_not_fit_is_refused(stages: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        sense.Pipeline(sense.Microphone(), *stages)
    assert error.value.hint


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sense.Frames(0), r"Frames.length=0 is not an integer"),
        (lambda: sense.Frames(480, 0), r"Frames.hop=0 is not an integer"),
        (lambda: sense.Frames(480, hop=True), r"Frames.hop=True is not"),
        (lambda: sense.Frames(48.5), r"Frames.length=48.5 is not"),
        (lambda: sense.Stack(0), r"Stack.frames=0"),
        (lambda: sense.Stack(2, every=-1), r"Stack.every=-1"),
        (lambda: sense.Microphone(0), r"Microphone.rate=0"),
        (lambda: sense.Microphone("fast"), r"Microphone.rate='fast'"),
        (lambda: sense.Microphone(float("nan")), r"Microphone.rate=nan"),
        (lambda: sense.LogMel(low_hz=5000, high_hz=300), r"low_hz=5000 is not below"),
        (lambda: sense.LogMel(subtraction=None), r"gain control"),
        (lambda: sense.LogMel(like="tlfm"), r"like='tlfm' is not known"),
        (lambda: sense.Pipeline(sense.Frames(3)), r"begins with a source"),
        (lambda: sense.Pipeline(sense.Microphone), r"begins with a source, not with Microphone"),
    ],
)
def test_options_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        make()
    assert error.value.hint


def _changed(**changes: Any) -> str:
    return json.dumps({**json.loads(BELL.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "format"),
        ("[" * 100_000, "not JSON"),
        (_changed(format="other"), "format"),
        (_changed(version=2), "version 2"),
        (_changed(version="1"), "version '1'"),
        (_changed(stages=3), "list of stages"),
        (_changed(stages=[3]), "3 is not an object"),
        (_changed(stages=[{"stage": "Frame", "version": 1}]), "'Frame'"),
        (_changed(stages=[{"stage": "Frames", "version": 9, "length": 3}]), "version 9 of Frames"),
        (_changed(stages=[{"stage": "Frames", "version": 1}]), "no length"),
        (_changed(stages=[{"stage": "Frames", "version": 1, "length": "3"}]), "'3' is not"),
        (_changed(stages=[{"stage": "Frames", "version": 1, "length": 10**30}]), "Frames.length"),
        (_changed(source={"stage": "Microphone", "version": 1, "rate": "1/0"}), "Microphone.rate"),
        (_changed(source={"stage": "Microphone", "version": 1, "rate": "9" * 99}), "rate"),
        (_changed(source=None), "None is not an object"),
        (_changed(stages=json.loads(BELL.to_json())["stages"] * 20), "has 60 stages"),
    ],
)
def test_hostile_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        sense.Pipeline.from_json(text)
    assert error.value.hint


def test_short_recordings_are_refused() -> None:
    with pytest.raises(ConfigError, match="shorter than a window of 15,840 samples"):
        BELL.features(clips(6, 15_839)[0])
    assert BELL.features(clips(6, 15_840)[0]).shape == (1, 49, 40)
