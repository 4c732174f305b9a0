"""What is reported about recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.motions import RATE, SENSOR, SOURCE, drawn, record
from tests.store.test_recordings import torn
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Analog, Frames, Mahalanobis, Motion, Pipeline, Raw, Statistics, Zscore
from tflm_ext.store import Segment, Sensor, Store, quality
from tflm_ext.store.duplicates import duplicates
from tflm_ext.store.quality import measure


def quiet(seed: int, samples: int = 200, spread: int = 2000) -> Any:
    """Samples far from the ends of the range."""
    random = np.random.default_rng(seed)
    return random.integers(-spread, spread, (samples, 3)).astype(np.int16)


def test_a_good_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "rest", quiet(0), "a")
    record(store, "wave", quiet(1), "a")
    found = quality(store)
    assert str(found) == (
        "recording    seconds     per s   gaps  clipped    jitter\n"
        "rest/a-1        4.00        50      0    0.00%   0.00 ms\n"
        "wave/a-2        4.00        50      0    0.00%   0.00 ms\n"
        "\n"
        "rest       4.00 s in 1 recording of 1 session\n"
        "wave       4.00 s in 1 recording of 1 session"
    )
    assert found.remarks == found.duplicates == ()
    assert json.loads(json.dumps(found.to_dict()))["segments"][0]["name"] == "rest/a-1"


def test_an_empty_store(tmp_path: Path) -> None:
    found = quality(Store(tmp_path / "none"))
    assert str(found) == "There are no recordings."


def _remarks(segment: Segment, pipeline: Pipeline | None = None) -> tuple[str, ...]:
    return measure(segment, pipeline).remarks


def test_each_fault_is_named_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    clipped = quiet(0)
    clipped[10:12, 1] = 32767
    assert _remarks(record(store, "a", clipped)) == (
        "clipped: 1.0% of the samples are at an end of the range",
    )
    dead = quiet(1)
    dead[:, 2] = 7
    assert _remarks(record(store, "a", dead)) == ("dead: z never changes",)
    dead[:, 0] = -7
    assert measure(record(store, "a", dead)).dead == ("x", "z")
    torn(store)
    assert "3 gaps, 6 samples missing" in _remarks(store.segment("torn-1"))
    assert _remarks(record(store, "a", quiet(3))) == ()


@pytest.mark.parametrize(
    ("late_us", "period_us", "wanted"),
    [
        (0, 20_000, ()),
        (19_000, 20_000, ()),
        (25_000, 20_000, ("the clock jumps by 25.0 ms, more than a sample",)),
        (0, 20_300, ()),
        (0, 21_000, ("47.619 samples per second by the device's clock",)),
    ],
)
def test_the_clock(tmp_path: Path, late_us: int, period_us: int, wanted: tuple[str, ...]) -> None:
    samples = quiet(1, 300)
    with Store(tmp_path).writer("a", SENSOR) as writer:
        for i in range(0, 300, 5):
            time = i * period_us + (late_us if i == 50 else 0)
            writer.write(samples[i : i + 5], time_us=time)
    assert _remarks(Segment.open(writer.paths[0])) == wanted


def test_missing_samples_do_not_slow_the_clock(tmp_path: Path) -> None:
    with Store(tmp_path).writer("a", SENSOR) as writer:
        writer.write(quiet(0), time_us=0)
        writer.gap(200)
        writer.write(quiet(1), time_us=400 * 20_000)
    assert measure(Segment.open(writer.paths[0])).clock_rate == 50


def test_an_incomplete_segment(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writer = store.writer("a", SENSOR)
    writer.write(quiet(0))
    writer._end("ended by Unplugged")
    assert _remarks(store.segments()[0]) == ("not complete: ended by Unplugged",)


def test_the_calibrated_range(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fitted = Pipeline(SOURCE, Frames(10), Statistics("rms"), Zscore()).fitted([quiet(0)])
    own = Pipeline(Motion(RATE, range_g=4), Frames(10), Raw())
    assert measure(record(store, "a", quiet(1)), own).saturated == 0
    loud = measure(record(store, "a", quiet(2, spread=32768)), own)
    assert loud.saturated is not None
    assert 0 < loud.saturated < 0.05
    ends = np.where(quiet(3) > 0, 32767, -32768).astype(np.int16)
    found = measure(record(store, "a", ends), own)
    assert found.saturated == 1
    assert "100.0% of the features are at an end of the calibrated range" in found.remarks
    assert measure(record(store, "a", quiet(4)), fitted).saturated == 0
    assert measure(record(store, "a", quiet(4, spread=32000)), fitted).saturated == 1
    stages = (Frames(10), Statistics("rms"), Zscore(), Mahalanobis())
    score = Pipeline(SOURCE, *stages).fitted([quiet(0, 2000)])
    found = measure(record(store, "a", quiet(5, spread=32000)), score)
    assert found.saturated == (1 if score.blocks[-2].out.dtype.value == "int8" else None)
    other: Any = 100
    faster = Pipeline(Motion(other), Frames(10), Raw())
    with pytest.raises(ConfigError, match="samples per second"):
        measure(store.segments()[0], faster)


def test_clipping_of_a_converter_of_12_bits(tmp_path: Path) -> None:
    source = Analog(RATE)
    samples = np.random.default_rng(0).integers(1, 4095, (100, 1)).astype(np.int16)
    samples[7] = 4095
    segment = record(Store(tmp_path), "a", samples, sensor=Sensor.of(source))
    assert measure(segment).clipped == 0
    assert measure(segment, Pipeline(source, Frames(10), Raw())).clipped == 0.01


def test_balance_and_files_without_description(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "a", quiet(0, 100))
    record(store, "b", quiet(1, 400))
    assert quality(store).remarks == ()
    record(store, "b", quiet(2, 100))
    (tmp_path / "b" / "other.wav").write_bytes(b"RIFF")
    assert quality(store).remarks == (
        "there is 5 times as much of b as of a",
        "1 WAV file without a description: import them with --import",
    )


# ---------------------------------------------------------------- duplicates


@pytest.mark.parametrize("block", [1 << 20, 37])
def test_copies_are_found_wherever_they_are(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stretch of one recording, at a random place of another one."""
    monkeypatch.setattr("tflm_ext.store.duplicates._BLOCK", block)
    for seed in range(12):
        random = np.random.default_rng(seed)
        one, other = drawn(seed, 400), drawn(seed + 100, 500)
        length = int(random.integers(200, 350))
        i, j = (int(random.integers(0, n - length)) for n in (400, 500))
        other[j : j + length] = one[i : i + length]
        store = Store(tmp_path / str(seed))
        record(store, "a", one, "one")
        record(store, "b", other, "other")
        record(store, "b", drawn(seed + 200, 500), "third")
        (found,) = duplicates(store.segments())
        assert (found.first, found.second) == ("a/one-1", "b/other-1")
        before = next(
            (k for k in range(min(i, j)) if (one[i - k - 1] != other[j - k - 1]).any()), 0
        )
        assert (found.first_sample, found.second_sample) == (i - before, j - before)
        assert found.samples >= length


def test_a_recording_that_repeats_itself(tmp_path: Path) -> None:
    samples = drawn(0, 600)
    samples[400:] = samples[:200]
    store = Store(tmp_path)
    record(store, "a", samples, "s")
    found = quality(store)
    assert found.remarks == ("a/s-1 has 200 samples in common with itself, from its sample 0 on",)


def test_short_and_still_recordings_are_duplicates_only_as_a_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    still = np.full((500, 3), 12, np.int16)
    slow = still.copy()
    slow[250:] = 13
    for number, samples in enumerate((still, still, slow, drawn(0, 20), drawn(0, 20))):
        record(store, "a", samples, f"s{number}")
    record(store, "a", slow, "s5")
    pairs = [(one.first, one.second, one.samples) for one in duplicates(store.segments())]
    assert pairs == [("a/s2-1", "a/s5-1", 500), ("a/s3-1", "a/s4-1", 20)]


def test_still_sensors_are_not_duplicates(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for level in range(80):
        for length in (200, 220):
            samples = np.full((length, 3), level, np.int16)
            samples[length // 2, 0] += length  # not equal from beginning to end
            record(store, "a", samples, f"s{level}x{length}")
    assert duplicates(store.segments()) == ()


def test_equal_hashes_of_different_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = (np.array([7], np.uint64), np.array([0]))
    monkeypatch.setattr("tflm_ext.store.duplicates._hashed", lambda samples: one)
    store = Store(tmp_path)
    record(store, "a", quiet(0), "one")
    record(store, "a", quiet(1), "other")
    assert duplicates(store.segments()) == ()


def test_noise_of_few_values_has_no_duplicates(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(6):
        random = np.random.default_rng(seed)
        noise = random.integers(-1, 1, (20_000, 1)).astype(np.int16)
        sensor = Sensor("mic", RATE, ("c0",), ("",), (1.0,), (0.0,))
        record(store, "a", noise, f"s{seed}", sensor=sensor)
    assert duplicates(store.segments()) == ()
