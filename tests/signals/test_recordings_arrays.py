"""Arrays as recordings: counts and real values, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.signals.test_sources import SOURCES
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Analog, Image, Microphone, Motion, Recording
from tflm_ext.signals.recordings import read_recording, read_recordings
from tflm_ext.signals.spec import Form

RATE: Any = 100
STREAMS = [source for source in SOURCES if source.spec.form is Form.STREAM]


def _refused(given: Any, source: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_recording(given, source)
    assert caught.value.problem.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


@pytest.mark.parametrize("source", STREAMS, ids=repr)
@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8"])
def test_counts_survive_real_units(source: Any, dtype: str) -> None:
    layout = source.layout
    random = np.random.default_rng(5)
    columns = [random.integers(c.low, c.high + 1, 500) for c in layout]
    counts = np.stack(columns, 1)
    counts[:2] = [[c.low for c in layout], [c.high for c in layout]]
    real = np.stack([c.step * (counts[:, i] - c.zero) for i, c in enumerate(layout)], 1)
    found = read_recording(real.astype(dtype), source)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, counts)


@pytest.mark.parametrize("dtype", ["i2", ">i2", "u1", "i1", "i4", "u4", "i8", "u8", "u2"])
def test_integers_are_counts(dtype: str) -> None:
    given = np.array([0, 1, 100, 127]).astype(dtype)
    found = read_recording(given, Microphone())
    assert found.shape == (4, 1)
    np.testing.assert_array_equal(found[:, 0], [0, 1, 100, 127])


def test_lists_are_arrays() -> None:
    assert read_recording([[1, 2, 3], [4, 5, 6]], Motion(RATE)).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read_recording([0.5, -1], Microphone()).tolist() == [[16384], [-32768]]


def test_real_values_are_rounded_and_saturated() -> None:
    half = np.array([0.5, 1.5, 2.5, -0.5, 0.49, 32767.4, 40000, -40000, 3, 4, 5, 6, 7])
    found = read_recording(half / 32768, Microphone())[:, 0]
    assert found.tolist() == [0, 2, 2, 0, 0, 32767, 32767, -32768, 3, 4, 5, 6, 7]


def test_a_long_recording_is_converted_like_a_short_one() -> None:
    real = np.random.default_rng(0).uniform(-1, 1, (600_000, 1)).astype(np.float32)
    found = read_recording(real, Microphone())
    np.testing.assert_array_equal(found[599_000:], read_recording(real[599_000:], Microphone()))


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        2.5,
        b"1234",
        {"x": [1]},
        "",
        "no such file.wav",
        "with\0null.wav",
        "x" * 5000,
        ["a", "b"],
        [[1, 2], [3]],
        [1, None],
        [1, 10**30],
        [True, False],
        np.zeros(4, complex),
        np.zeros(4, object),
        np.zeros(4, "M8[s]"),
        np.zeros(4, [("x", "i2")]),
        np.zeros((4, 2), np.int16),
        np.zeros((1, 4), np.int16),
        np.zeros((4, 1, 1), np.int16),
        np.int16(3),
        np.ma.masked_array([1, 2], [False, True]),
        object(),
        range,
    ],
    ids=lambda value: f"{type(value).__name__} {value!r:.12}",
)
def test_what_is_not_a_recording(given: Any) -> None:
    _refused(given, Microphone())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(bad: float) -> None:
    real = np.zeros((300_000, 3))
    real[270_001, 2] = bad
    assert "sample 270,001, channel 2" in _refused(real, Motion(RATE)).problem


@pytest.mark.parametrize("value", [-32769, 32768, 2**40, -(2**63), 2**63])
def test_integers_that_do_not_fit(value: int) -> None:
    given = np.array([0, value], np.uint64 if value == 2**63 else np.int64)
    assert "sample 1, channel 0" in _refused(given, Microphone()).problem


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (Analog(RATE), [4096]),
        (Analog(RATE), [-1]),
        (Analog(RATE, 8, signed=True), [-129]),
        (Analog(RATE, 8, signed=True), [128]),
    ],
)
def test_counts_that_a_converter_does_not_give(source: Any, counts: list[int]) -> None:
    assert "counts of the source are from" in _refused(counts, source).problem


@pytest.mark.parametrize(
    ("source", "values"),
    [
        (Microphone(), np.array([0.0, 12_000.0, 1.0])),  # int16 as floats
        (Motion(RATE), np.full((9, 3), [0.1, 0.2, 9.81])),  # m/s^2
        (Motion(RATE), np.full((9, 3), [1.0, 2.0, 1000.0])),  # thousandths of g
        (Motion(RATE, "rotation", range_dps=250), np.full((9, 3), [0, 1, 90_000.0])),
        (Analog(RATE), np.array([1200.0, 1300.0])),  # mV
        (Recording(RATE, unit="bar", scale=0.001), np.array([1e5, 1e5])),  # Pa
        (Image(2, 2), np.full((1, 2, 2, 1), 200.0)),  # 0 to 255 as floats
    ],
)
def test_values_of_another_unit(source: Any, values: Any) -> None:
    _refused(values, source)


def test_a_transposed_recording_is_recognised() -> None:
    assert ".T" in _refused(np.zeros((3, 50), np.int16), Motion(RATE)).hint


def test_spikes_are_clipped() -> None:
    real = np.zeros((10, 3))
    real[4] = [6.0, -6.0, 0.0]
    assert read_recording(real, Motion(RATE))[4].tolist() == [32767, -32768, 0]


# ---------------------------------------------------------------- images

IMAGES = Image(4, 5)
COLOURS = Image(4, 5, 3)


@pytest.mark.parametrize(
    ("source", "shape", "count"),
    [
        (IMAGES, (4, 5), 1),
        (IMAGES, (4, 5, 1), 1),
        (IMAGES, (7, 4, 5), 7),
        (IMAGES, (7, 4, 5, 1), 7),
        (COLOURS, (4, 5, 3), 1),
        (COLOURS, (7, 4, 5, 3), 7),
        (Image(1, 1), (1, 1), 1),
        (Image(1, 1), (3, 1, 1), 3),
    ],
)
def test_images(source: Any, shape: tuple[int, ...], count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    wanted = pixels.astype(np.uint8).reshape(count, *source.spec.shape)
    for given in (pixels, pixels.astype(np.uint8), pixels / 255, (pixels / 255).astype("f4")):
        np.testing.assert_array_equal(read_recording(given, source), wanted)


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((4, 4)),
        np.zeros((2, 5, 4, 1)),
        np.zeros(20),
        np.zeros((1, 1, 4, 5, 1)),
        np.full((4, 5), -1),
        np.full((4, 5), 256),
        np.full((4, 5), np.nan),
        np.full((4, 5), -0.1),
        "image.png",
        [],
    ],
    ids=lambda value: f"{type(value).__name__} {value!r:.12}",
)
def test_what_is_not_an_image(given: Any) -> None:
    _refused(given, IMAGES)


# ---------------------------------------------------------------- several


def test_several_recordings() -> None:
    one, two = np.arange(3, dtype=np.int16), np.arange(5, dtype=np.int16)
    assert [len(own) for own in read_recordings([one, two], Microphone())] == [3, 5]
    assert [len(own) for own in read_recordings(iter([one, two]), Microphone())] == [3, 5]
    assert [len(own) for own in read_recordings(one, Microphone())] == [3]
    assert [len(own) for own in read_recordings([1, 2, 3], Microphone())] == [3]


def test_the_recording_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match="Recording 2 has the shape"):
        list(read_recordings([np.zeros(3), np.zeros((3, 2))], Microphone()))


@pytest.mark.parametrize("given", [[], (), {}, {"a": 1}, b"", 3, None, iter([])])
def test_no_recordings(given: Any) -> None:
    with pytest.raises(ConfigError):
        list(read_recordings(given, Microphone()))
