"""Pipelines read a store: whole segments, and the parts between gaps."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.motions import SENSOR, SOURCE, drawn, record
from tflm_ext.cli.export import _calibration
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Frames, HighPass, Motion, Pipeline, Raw, Recording, Statistics, Zscore
from tflm_ext.signals.parts import Part
from tflm_ext.store import Sensor, Store

PIPELINE = Pipeline(SOURCE, Frames(10, hop=5), Raw())


def torn(store: Store, label: str = "wave", session: str = "torn") -> list[Any]:
    """Write a segment of three stretches, and return them."""
    stretches = [drawn(seed, length) for seed, length in ((1, 25), (2, 4), (3, 31))]
    with store.writer(label, SENSOR, session=session) as writer:
        for stretch in stretches:
            writer.write(stretch)
            writer.gap(2)
    return stretches


def test_a_pipeline_takes_paths_folder_and_segments(tmp_path: Path) -> None:
    store = Store(tmp_path)
    samples = drawn(0, 100)
    segment = record(store, "wave", samples)
    assert store.recordings() == store.recordings("wave") == [segment.path]
    wanted = PIPELINE.quantized(samples)
    assert np.array_equal(PIPELINE.quantized(segment.path), wanted)
    fitted = Pipeline(SOURCE, Frames(10), Statistics("rms"), Zscore())
    assert fitted.fitted(tmp_path).stages == fitted.fitted(store.recordings()).stages
    with pytest.raises(ConfigError, match="has no label 'wafe'"):
        store.recordings("wafe")


def test_no_window_reaches_across_a_gap(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stretches = torn(store)
    parts = store.recordings()
    assert [type(part) for part in parts] == [Part] * 3
    path = tmp_path / "wave" / "torn-1.wav"
    assert parts[1] == Part(path, 25, 29)
    assert str(parts[1]) == f"{path}, samples 25 to 28"
    for part, stretch in zip(parts, stretches, strict=True):
        assert np.array_equal(PIPELINE.recording(part), stretch)
    filtered = Pipeline(SOURCE, HighPass(1), Frames(10, hop=5), Raw())
    for pipeline in (PIPELINE, filtered):
        found = [pipeline.quantized(part) for part in parts]
        assert [len(own) for own in found] == [len(pipeline.quantized(own)) for own in stretches]
        for own, stretch in zip(found, stretches, strict=True):
            assert np.array_equal(own, pipeline.quantized(stretch))
    everything = PIPELINE.fitted(tmp_path).recordings
    assert [len(own) for own in everything] == [25, 4, 31]
    alone = PIPELINE.fitted(parts[0]).recordings
    assert [len(own) for own in alone] == [25]
    with pytest.raises(ConfigError) as error:
        PIPELINE.features(path)
    assert str(error.value) == (
        f"{path} has a gap: before its sample 25, 2 samples are missing, and there are 2 more "
        "gaps.\nPass Store(DIR).recordings(), or the folder, which give the parts between the gaps."
    )


def test_a_gap_before_or_after_all_samples_separates_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer("wave", SENSOR) as writer:
        writer.gap(9)
        writer.write(drawn(0, 30))
        writer.gap(9)
    assert store.recordings() == writer.paths
    assert len(PIPELINE.features(writer.paths[0])) == 5


def test_recordings_with_labels(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rest = record(store, "rest", drawn(0, 30), "a")
    torn(store)
    parts = store.recordings("wave")
    assert store.labelled() == ([rest.path, *parts], [0, 1, 1, 1])
    assert store.labelled(["wave", "rest"]) == ([*parts, rest.path], [0, 0, 0, 1])
    assert store.labelled(segments=[rest]) == ([rest.path], [0])
    assert store.labelled(["wave"], segments=[rest]) == ([], [])


def test_the_command_line_calibrates_with_a_folder(tmp_path: Path) -> None:
    torn(Store(tmp_path))
    (tmp_path / "other.npy").touch()
    path = str(tmp_path / "wave" / "torn-1.wav")
    given = argparse.Namespace(recording=[str(tmp_path), path], calibration=None)
    found = _calibration(given)
    assert [type(own) for own in found[1:]] == [Part, Part, Part, str]
    assert _calibration(argparse.Namespace(recording=None, calibration=None)) is None


def _refused(path: Path, source: Any) -> str:
    with pytest.raises(ConfigError) as error:
        Pipeline(source, Frames(10), Raw()).features(path)
    assert error.value.problem.startswith(str(path))
    return error.value.problem.removeprefix(str(path))


def test_another_source(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rate: Any = "104/3"
    path = record(store, "wave", drawn(0, 30), sensor=Sensor.of(Motion(rate))).path
    own: Any = 35
    assert _refused(path, Motion(own)) == " has 34.6667 samples per second; the source has 35."
    assert _refused(path, Motion(rate, range_g=8)) == (
        " has 0.00012207 g per count of 'x'; the source has 0.000244141."
    )
    assert _refused(path, Motion(rate, axes="rotation")) == (
        " has 'x' in g; the source's unit is degrees per second."
    )
    assert _refused(path, Motion(rate, axes="both")) == (
        " has the axes x, y, z; the source has channels: 6."
    )
    Pipeline(Recording(rate, channels=3), Frames(10), Raw()).features(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gaps", [[1, 2], [1, 2]]), ("gaps", [[1]]), ("gaps", [[-1, 2]]), ("gaps", [[5, 0]]),
        ("gaps", 7), ("gaps", [["a", 1]]), ("gaps", [[1.5, 1]]), ("gaps", [[2**70, 1]]),
        ("clock", [[0, -5]]), ("who", "a\nb"), ("who", "a" * 300), ("note", 5),
        ("complete", "yes"), ("version", 2), ("sensor", None), ("event", [1]),
        ("sensor", {"name": "a", "rate": "0", "axes": ["x"], "units": [""], "scale": [1],
                    "zero": [0]}),
        ("sensor", {"name": "a", "rate": "1e9", "axes": ["x"], "units": [""], "scale": [1],
                    "zero": [0]}),
        ("sensor", {"name": "a", "rate": "50", "axes": ["x", "x"], "units": ["", ""],
                    "scale": [1, 1], "zero": [0, 0]}),
        ("sensor", {"name": "a", "rate": "50", "axes": [], "units": [], "scale": [], "zero": []}),
        ("sensor", {"name": "a", "rate": "50", "axes": ["x"], "units": [""], "scale": [0],
                    "zero": [0]}),
        ("sensor", {"name": "a", "rate": "50", "axes": ["x"], "units": ["", ""], "scale": [1],
                    "zero": [0]}),
    ],
)  # fmt: skip
def test_a_damaged_description(tmp_path: Path, key: str, value: Any) -> None:
    store = Store(tmp_path)
    path = record(store, "wave", drawn(0, 30)).path
    place = path.with_suffix(".json")
    place.write_text(json.dumps(json.loads(place.read_text()) | {key: value}))
    with pytest.raises(ConfigError, match=r"wave/.*\.json is"):
        PIPELINE.features(path)
    with pytest.raises(ConfigError, match=r"wave/.*\.json is"):
        store.segments()
    store.repair()


def test_random_descriptions(tmp_path: Path) -> None:
    """Cut or changed bytes end in a description or in a ConfigError."""
    store = Store(tmp_path)
    torn(store)
    path = tmp_path / "wave" / "torn-1.wav"
    place = path.with_suffix(".json")
    content = place.read_bytes()
    random = np.random.default_rng(5)
    tokens = [b"NaN", b"1e999", b"[" * 5000, b'"', b"9" * 5000, b"null", b"\0", b"\xff", b"-1"]
    read = 0
    for _ in range(300):
        data = bytearray(content)
        at = int(random.integers(len(data)))
        if random.random() < 0.3:
            del data[at : at + int(random.integers(1, 40))]
        else:
            token = tokens[int(random.integers(len(tokens)))]
            data[at : at + int(random.integers(3))] = token
        place.write_bytes(data)
        try:
            store.recordings()
            store.repair()
            read += 1
        except ConfigError as error:
            assert error.hint
    assert 0 < read < 300


def test_a_json_of_another_program_says_nothing(tmp_path: Path) -> None:
    path = record(Store(tmp_path), "wave", drawn(0, 30)).path
    path.with_suffix(".json").write_text('{"gaps": 7}')
    PIPELINE.features(path)
    assert Store(tmp_path).segments() == ()
    assert Store(tmp_path).strangers() == [path]


def test_a_wav_file_that_another_program_has_changed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = record(store, "wave", drawn(0, 30)).path
    data = path.read_bytes()
    path.write_bytes(data[:36] + b"LIST\4\0\0\0abcd" + data[36:])
    with pytest.raises(ConfigError, match="another program changed it"):
        store.segments()
