"""What is written, and what a reader finds."""

from __future__ import annotations

import fcntl
import os
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.motions import SENSOR, contents, drawn, failing, record
from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.signals import Image
from tflm_ext.store import Segment, Sensor, Store
from tflm_ext.store.lock import Lock


def test_other_programs_read_the_file(tmp_path: Path) -> None:
    samples = drawn(0, 123)
    segment = record(Store(tmp_path), "wave", samples, "a", who="ada", firmware="f" * 64)
    assert segment.path == tmp_path / "wave" / "a-1.wav"
    with wave.open(str(segment.path)) as file:
        assert file.getparams()[:4] == (3, 2, 50, 123)
        assert file.readframes(200) == samples.astype("<i2").tobytes()
    assert segment.description.complete
    assert segment.description.who == "ada"
    assert segment.day == segment.description.when[:10] != ""
    assert np.array_equal(segment.read(), samples)


def test_random_segments_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(25):
        random = np.random.default_rng(seed)
        most = int(random.integers(1, 60)) * SENSOR.channels * 2
        blocks, gaps, position = [], [], 0
        with store.writer(f"l{seed % 3}", SENSOR, session=f"s{seed}", most_bytes=most) as writer:
            for _ in range(int(random.integers(1, 12))):
                if random.random() < 0.3:
                    count = int(random.integers(1, 9))
                    writer.gap(count)
                    gaps.append((position, count))
                block = drawn(int(random.integers(1 << 30)), int(random.integers(0, 80)))
                writer.write(block)
                blocks.append(block)
                position += len(block)
        wanted = np.concatenate(blocks)
        found = [Segment.open(path) for path in writer.paths]
        read = [own.read() for own in found]
        assert np.array_equal(np.concatenate([*read, np.zeros((0, 3), np.int16)]), wanted)
        assert all(len(own) * 6 <= most for own in read)
        assert all(own.description.complete for own in found)
        # A gap at the very end, after which nothing was written, may be in a file without samples.
        starts = np.cumsum([0, *map(len, read)])
        kept: dict[int, int] = {}
        for start, own in zip(starts, found, strict=False):
            for at, count in own.description.gaps:
                kept[int(start) + at] = kept.get(int(start) + at, 0) + count
        given: dict[int, int] = {}
        for at, count in gaps:
            given[at] = given.get(at, 0) + count
        given.pop(position, None)
        kept.pop(position, None)
        assert kept == given
    assert len({own.name for own in store.segments()}) == len(store.segments())


def test_a_gap_separates_pieces(tmp_path: Path) -> None:
    samples = drawn(1, 100)
    with Store(tmp_path).writer("wave", SENSOR) as writer:
        writer.gap(3)
        writer.write(samples[:40])
        writer.gap(5)
        writer.gap(2)
        writer.write(samples[40:])
        writer.gap(1)
    segment = Segment.open(writer.paths[0])
    assert segment.description.gaps == ((0, 3), (40, 7), (100, 1))
    assert segment.missing == 11
    first, second = segment.pieces()
    assert np.array_equal(first, samples[:40])
    assert np.array_equal(second, samples[40:])


def test_the_clock_keeps_some_times_and_the_largest_jitter(tmp_path: Path) -> None:
    start = 2**32 - 1_000_000  # of a counter of 32 bits, which begins again
    with Store(tmp_path).writer("wave", SENSOR) as writer:
        for i in range(500):
            late = 1500 if i == 321 else 0
            writer.write(drawn(i, 10), time_us=(start + i * 200_000 + late) % 2**32)
    found = Segment.open(writer.paths[0]).description
    assert found.clock[0] == (0, start)
    assert found.clock[-1] == (4990, start + 499 * 200_000)
    assert 20 < len(found.clock) <= 64
    assert all((t - start) == i * 20_000 for i, t in found.clock)
    assert found.jitter_us == 1500
    steps = np.diff([sample for sample, _ in found.clock[:-1]])
    assert steps.max() <= 2 * steps.min()


def test_the_clock_continues_over_a_gap_and_in_the_next_segment(tmp_path: Path) -> None:
    with Store(tmp_path).writer("wave", SENSOR, most_bytes=20 * 6) as writer:
        writer.write(drawn(0, 10), time_us=0)
        writer.gap(5)
        writer.write(drawn(1, 10), time_us=300_000)
        writer.write(drawn(2, 10), time_us=500_700)
    found = [Segment.open(path).description for path in writer.paths]
    assert [own.jitter_us for own in found] == [0, 700]
    assert [own.clock for own in found] == [((0, 0), (10, 300_000)), ((0, 500_700),)]


def test_sessions_continue_and_are_numbered_over_all_labels(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert record(store, "wave", drawn(0, 5), "a").name == "wave/a-1"
    assert record(store, "rest", drawn(0, 5), "a").name == "rest/a-2"
    assert record(store, "wave", drawn(0, 5), "a").name == "wave/a-3"
    assert record(store, "wave", drawn(0, 5), "b").name == "wave/b-1"


def test_two_writers_never_share_a_session(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer("wave", SENSOR) as one, Store(tmp_path).writer("wave", SENSOR) as two:
        assert one.session != two.session
        with pytest.raises(ConfigError, match=f"recording the session '{one.session}'"):
            store.writer("rest", SENSOR, session=one.session)
        one.write(drawn(0, 5))
        two.write(drawn(1, 5))
        assert store.repair() == ()
    assert [own.samples for own in store.segments()] == [5, 5]
    record(store, "rest", drawn(2, 5), one.session)


def test_a_label_that_another_writer_removes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer("wave", SENSOR) as one:
        store.writer("wave", SENSOR).close()
        assert not (tmp_path / "wave").exists()
        one.write(drawn(0, 5))
    assert [own.samples for own in store.segments()] == [5]


def test_sessions_that_differ_in_case_are_one(tmp_path: Path) -> None:
    """Some disks do not tell their files apart."""
    store = Store(tmp_path)
    assert record(store, "wave", drawn(0, 5), "A").name == "wave/A-1"
    assert record(store, "wave", drawn(0, 5), "a").name == "wave/a-2"
    with store.writer("wave", SENSOR, session="A"), pytest.raises(ConfigError, match="Another"):
        store.writer("wave", SENSOR, session="a")


def test_a_lock_whose_file_the_holder_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening it and locking it: what is locked then is no longer in the folder."""
    flock, paths = fcntl.flock, [tmp_path / ".tflm_ext" / "a.lock"]

    def remove_first(file: int, operation: int) -> None:
        if paths:
            paths.pop().unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    lock = Lock.take(tmp_path, "a")
    assert lock is not None
    assert Lock.take(tmp_path, "a") is None
    lock.release()
    lock.release()
    again = Lock.take(tmp_path, "a")
    assert again is not None
    again.release()


def test_chunks_after_the_samples_are_not_samples(tmp_path: Path) -> None:
    store = Store(tmp_path)
    segment = record(store, "wave", drawn(0, 9))
    with segment.path.open("ab") as file:
        file.write(b"LIST\x0c\0\0\0abcdefghijkl")
    assert store.segments()[0].samples == 9
    assert np.array_equal(store.segments()[0].read(), drawn(0, 9))


def test_nothing_is_left_of_a_recording_without_samples(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.writer("wave", SENSOR).close()
    with store.writer("wave", SENSOR) as writer:
        writer.gap(4)
    assert contents(tmp_path) == {}
    assert store.labels() == []


def test_an_error_of_the_caller_leaves_an_incomplete_segment(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writer = store.writer("wave", SENSOR, note="wet")

    def record_and_fail() -> None:
        with writer:
            writer.write(drawn(0, 7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record_and_fail()
    (segment,) = store.segments()
    assert (segment.samples, segment.description.complete) == (7, False)
    assert segment.description.note == "wet; ended by ZeroDivisionError"
    before = contents(tmp_path)
    assert store.repair() == ()
    assert contents(tmp_path) == before
    with pytest.raises(ConfigError, match="is closed"):
        writer.write(drawn(0, 1))


@pytest.mark.parametrize("number", [1, 4, 8, 11, 14, 20, 25, 31])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = Store(tmp_path)
    writer = store.writer("wave", SENSOR)
    written = 0
    write = os.write

    def half(file: int, data: bytes) -> int:
        return write(file, data[: max(len(data) // 2, 1)])

    monkeypatch.setattr(os, "write", failing(half, number))
    while True:
        try:
            writer.write(drawn(written, 10))
        except StorageError as error:
            assert "Free some space" in error.hint
            break
        written += 1
    monkeypatch.undo()
    if written:
        assert writer.paths[-1].stat().st_size == 44 + 10 * 6 * written
        writer.write(drawn(written, 10))
        writer.close()
        (segment,) = store.segments()
        assert np.array_equal(
            segment.read(), np.concatenate([drawn(i, 10) for i in range(written + 1)])
        )
        return
    writer.close()
    store.repair()
    assert store.segments() == ()


@pytest.mark.parametrize(
    "samples",
    [[1, 2, 3], [[1, 2]], [[0.5, 1, 2]], [["a", "b", "c"]], [[2**15, 0, 0]], [[-(2**40), 0, 0]]],
    ids=str,
)
def test_other_samples(tmp_path: Path, samples: Any) -> None:
    with Store(tmp_path).writer("wave", SENSOR) as writer:
        with pytest.raises(ConfigError):
            writer.write(samples)
        for count in (0, -1, 1.5, True, None):
            with pytest.raises(ConfigError):
                writer.gap(count)  # type: ignore[arg-type]
        for time in (-1, 0.5, True, 2**62):
            with pytest.raises(ConfigError, match="time in microseconds"):
                writer.write([[1, 2, 3]], time_us=time)  # type: ignore[arg-type]
        writer.write([[1, 2, 3]])
        assert writer.samples == 1


@pytest.mark.parametrize(
    "options",
    [{"event": {"score": float("nan")}}, {"event": {"a": object()}}, {"event": {"a": "b" * 5000}},
     {"when": "yesterday"}, {"who": "a\nb"}, {"note": 7}, {"firmware": None}],
    ids=["nan", "object", "long", "when", "who", "note", "firmware"],
)  # fmt: skip
def test_other_descriptions(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigError, match="Description"):
        Store(tmp_path).writer("wave", SENSOR, **options)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "change",
    [{"rate": 0}, {"axes": ()}, {"axes": "xyz"}, {"axes": ("x", "x", "y")}, {"units": ("g",)},
     {"scale": (1, 2, 0)}, {"scale": (1, 2, float("nan"))}, {"zero": (0, 0, "a")}, {"name": 7}],
    ids=str,
)  # fmt: skip
def test_other_sensors(change: Any) -> None:
    with pytest.raises(ConfigError, match="Sensor"):
        replace(SENSOR, **change)


def test_images_are_not_recorded() -> None:
    with pytest.raises(ConfigError, match="gives images"):
        Sensor.of(Image(8, 8))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", "/etc", "con", "NUL", "com1.txt", "LPT9", "a:b", "a.", "a ",
     " a", "-a", ".a", "~a", "a\0b", "a\nb", "\x1b[2J", "a" * 65, "ä" * 64 + "ä", "e\u0301", "a*",
     "\ud800", 7, None, b"a"],
    ids=ascii,
)  # fmt: skip
def test_names_that_some_systems_refuse(tmp_path: Path, name: Any) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        store.writer(name, SENSOR)
    if name is not None:
        with pytest.raises(ConfigError, match="cannot be the name of a folder"):
            store.writer("wave", SENSOR, session=name)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["wave", "Wave 2", "winken", "größe", "a-b_c.d", "20260412-1"])
def test_names_that_all_systems_accept(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    segment = record(store, name, drawn(0, 3), name)
    assert store.segments() == (segment,)
    assert (segment.label, segment.session, segment.number) == (name, name, 1)


def test_labels_that_differ_in_case(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "wave", drawn(0, 3))
    with pytest.raises(ConfigError, match="only in upper and lower case"):
        store.writer("Wave", SENSOR)


def test_a_file_in_the_place_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(ConfigError, match="not a folder"):
        Store(tmp_path / "a")
    with pytest.raises(ConfigError):
        Store(7)  # type: ignore[arg-type]


def test_relabelling_renames_both_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    segment = record(store, "wave", drawn(0, 9), "a")
    files = (segment.path, segment.path.with_suffix(".json"))
    before = [(path.stat().st_ino, path.read_bytes()) for path in files]
    moved = store.relabel("a-1", "rest")
    assert moved.name == "rest/a-1"
    files = (moved.path, moved.path.with_suffix(".json"))
    assert [(path.stat().st_ino, path.read_bytes()) for path in files] == before
    assert not (tmp_path / "wave").exists()
    assert store.relabel(moved, "rest") == moved
    with pytest.raises(ConfigError, match="cannot be the name"):
        store.relabel(moved, "../rest")
    with pytest.raises(ConfigError, match="has no recording 'b-1'"):
        store.relabel("b-1", "wave")
    with store.writer("wave", SENSOR, session="a"), pytest.raises(ConfigError, match="recorded"):
        store.relabel(moved, "wave")
    with pytest.raises(ConfigError, match="is not a recording of"):
        Store(tmp_path / "other").relabel(moved, "wave")
    record(store, "wave", drawn(1, 9), "b")
    place = tmp_path / "rest" / "b-1.wav"
    place.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="already has the recording b-1"):
        store.relabel("b-1", "rest")
    assert place.read_bytes() == b"mine"
