"""A killed program loses only what it did not write, and the rest is repaired once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.store.motions import RATE, SENSOR, contents, drawn, record
from tflm_ext.signals import Motion
from tflm_ext.store import Segment, Sensor, Store, wave
from tflm_ext.store import moves as moves_module

FRAME = 6
ROOT = Path(__file__).resolve().parents[2]


def _killed(folder: Path, samples: int) -> Path:
    """A store as a killed program leaves it, with one segment; returns its WAV file."""
    writer = Store(folder).writer("wave", SENSOR, session="a")
    writer.write(drawn(7, samples // 2), time_us=1000)
    writer.gap(5)
    writer.write(drawn(8, samples - samples // 2), time_us=1000 + 20_000 * (samples // 2 + 5))
    writer.gap(2)
    writer._lock.release()
    os.close(writer._file)
    return writer.paths[0]


def test_a_kill_at_every_byte(tmp_path: Path) -> None:
    path = _killed(tmp_path / "all", 60)
    everything = path.read_bytes()
    json = path.with_suffix(".json").read_bytes()
    wanted = np.concatenate([drawn(7, 30), drawn(8, 30)])
    lengths = [*range(wave.HEADER + 13), *random.Random(0).sample(range(57, len(everything)), 60)]
    for length in (*lengths, len(everything)):
        folder = tmp_path / str(length)
        own = folder / "wave" / "a-1.wav"
        own.parent.mkdir(parents=True)
        own.with_suffix(".json").write_bytes(json)
        own.write_bytes(everything[:length])
        store = Store(folder)
        whole = max(length - wave.HEADER, 0) // FRAME
        done = store.repair()
        assert [one.name for one in done] == ["wave/a-1"]
        if not whole:
            assert contents(folder) == {}
            continue
        (segment,) = store.segments()
        assert np.array_equal(segment.read(), wanted[:whole])
        assert own.stat().st_size == wave.HEADER + whole * FRAME
        assert wave.size_of(own.read_bytes()[: wave.HEADER]) == whole * FRAME
        assert (segment.description.complete, segment.description.note) == (False, "cut short")
        gaps = ((30, 5), (60, 2))
        assert segment.description.gaps == tuple(gap for gap in gaps if gap[0] <= whole)
        assert [at for at, _ in segment.description.clock] == ([0, 30] if whole > 30 else [0])
        before = contents(folder)
        assert store.repair() == ()
        assert contents(folder) == before


def test_what_is_being_written_can_be_read_before_it_is_repaired(tmp_path: Path) -> None:
    path = _killed(tmp_path, 60)
    (segment,) = Store(tmp_path).segments()
    assert segment.samples == 60
    with path.open("ab") as file:
        file.write(b"abc")
    assert np.array_equal(segment.read(), np.concatenate([drawn(7, 30), drawn(8, 30)]))


def test_the_next_recording_repairs_the_last_one(tmp_path: Path) -> None:
    _killed(tmp_path, 60)
    record(Store(tmp_path), "rest", drawn(0, 4), "b")
    assert [one.description.note for one in Store(tmp_path).segments()] == ["", "cut short"]


def test_a_json_without_a_wav_file_and_a_temporary_file(tmp_path: Path) -> None:
    path = _killed(tmp_path, 6)
    path.unlink()
    (path.parent / ".a-1.json.tmp").write_bytes(b"{")
    (path.parent / "b-1.json").write_bytes(b"{}")  # of another program
    (path.parent / "c-1.json").write_bytes(b"{")
    (path.parent / "c-1.wav").write_bytes(b"RIFF")
    assert [one.name for one in Store(tmp_path).repair()] == ["wave/a-1"]
    assert sorted(contents(tmp_path)) == ["wave/b-1.json", "wave/c-1.json", "wave/c-1.wav"]


def test_the_json_of_a_file_that_was_removed_remains(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "wave", drawn(0, 4), "a").path.unlink()
    assert store.repair() == ()
    assert sorted(contents(tmp_path)) == ["wave/a-1.json"]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_while_relabelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    store = Store(tmp_path)
    segment = record(store, "wave", drawn(0, 9), "a")
    record(store, "wave", drawn(1, 9), "a")
    rename, left = os.rename, [renames]

    def kill(*paths: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        rename(*paths)

    monkeypatch.setattr(moves_module.os, "rename", kill)
    with pytest.raises(KeyboardInterrupt):
        store.relabel(segment, "rest")
    monkeypatch.undo()
    assert len(store.repair()) == renames
    assert [one.name for one in store.segments()] == [
        f"{'rest' if renames else 'wave'}/a-1",
        "wave/a-2",
    ]
    assert store.repair() == ()


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    path = _killed(outside, 8)
    before = contents(outside)
    store = Store(tmp_path / "store")
    (tmp_path / "store" / "rest").mkdir(parents=True)
    (tmp_path / "store" / "wave").symlink_to(path.parent)
    (tmp_path / "store" / "rest" / "a-1.wav").symlink_to(path)
    shutil.copy(path.with_suffix(".json"), tmp_path / "store" / "rest" / "a-1.json")
    assert store.repair() == ()
    assert store.segments() == ()
    assert contents(outside) == before


CHILD = """
import sys
from tests.store.motions import SENSOR, drawn
from tflm_ext.store import Store
with Store(sys.argv[1]).writer("wave", SENSOR, session="a", most_bytes=6 * 700) as writer:
    number = 0
    while True:
        writer.write(drawn(number, 97), time_us=97 * 20000 * number)
        print(number, flush=True)
        number += 1
        if number % 3 == 0:
            writer.gap(number)
"""


@pytest.mark.slow
def test_twenty_real_kills(tmp_path: Path) -> None:
    """What a child has said to be written is there after SIGKILL, bit for bit."""
    order = random.Random(3)
    store = Store(tmp_path)
    written = 0
    for _ in range(20):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for _ in range(order.randrange(1, 40)):
            said = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        said = (child.stdout.read().split() or [said])[-1]
        child.wait()
        child.stdout.close()
        store.repair()
        own = [one for one in store.segments() if one.number > written]
        found = np.concatenate([one.read() for one in own])
        wanted = np.concatenate([drawn(i, 97) for i in range(int(said) + 2)])
        assert len(found) >= 97 * (int(said) + 1)
        assert np.array_equal(found, wanted[: len(found)])
        assert [one.description.complete for one in own[:-1]] == [True] * (len(own) - 1)
        written = max(one.number for one in own)
        before = contents(tmp_path)
        assert store.repair() == ()
        assert contents(tmp_path) == before
    assert all(isinstance(one, Segment) for one in store.segments())


def _random_step(store: Store, order: random.Random, number: int, known: dict[str, bytes]) -> None:
    """Do one thing to a store, and to what is known to be in it: samples by name."""
    names = sorted(known)
    kind = order.choice(["record", "kill", "kill", "relabel", "repair"])
    label = order.choice(["rest", "wave", "jump"])
    if kind == "relabel" and names:
        name = order.choice(names)
        known[store.relabel(name, label).name] = known.pop(name)
    elif kind == "repair":
        store.repair()
    else:
        sensor = Sensor.of(Motion(RATE, axes=order.choice(["both", "rotation"])))
        writer = store.writer(label, sensor, session=f"s{order.randrange(3)}")
        samples = drawn(number, order.randrange(1, 50), sensor.channels)
        writer.write(samples[:20])
        if order.random() < 0.5:
            writer.gap(4)
        writer.write(samples[20:])
        name, kept = f"{label}/{writer.paths[0].stem}", samples.tobytes()
        if kind == "record":
            writer.close()
        else:
            writer._lock.release()
            cut = order.randrange(0, 30)
            size = max(wave.HEADER + len(kept) - cut, 0)
            os.truncate(writer.paths[0], size)
            os.close(writer._file)
            frame = 2 * sensor.channels
            kept = kept[: max(size - wave.HEADER, 0) // frame * frame]
        if kept:
            known[name] = kept


@pytest.mark.parametrize("seed", range(15))
def test_random_histories(tmp_path: Path, seed: int) -> None:
    """Whatever happens in whatever order, every sample that was written is in one segment."""
    order = random.Random(seed)
    known: dict[str, bytes] = {}
    for number in range(25):
        _random_step(Store(tmp_path), order, number, known)
        store = Store(tmp_path)
        if order.random() < 0.3:
            store.repair()
            found = {one.name: one.read().tobytes() for one in store.segments()}
            assert found == known
    store.repair()
    assert {one.name: one.read().tobytes() for one in store.segments()} == known
    assert store.repair() == ()
