"""collect and listen: from a sensor to a store of recordings, and events as they come."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import tflm_ext
from tests.device.test_client import terminal
from tests.firmware.test_pipeline import noisy, program_of
from tests.sense.test_without_model import LEARNING, machine
from tflm_ext.cli import main
from tflm_ext.collect import Collected, _Items, collect
from tflm_ext.device import Device
from tflm_ext.device.streaming import Part, SampleStream, StreamLost
from tflm_ext.errors import ConfigError, ToolError
from tflm_ext.replay import replay_project
from tflm_ext.store import Store


def test_samples_are_whole_whatever_is_lost() -> None:
    """Parts begin, end and are lost anywhere, also in the middle of a sample."""
    random = np.random.default_rng(0)
    for _ in range(300):
        channels, count = (int(random.integers(1, most)) for most in (7, 60))
        samples = np.arange(count * channels, dtype=np.int16).reshape(count, channels)
        data, size, at = samples.tobytes(), 2 * channels, 0
        items, found, kept = _Items(size), [], np.ones(count, bool)
        while at < len(data):
            length = min(int(random.integers(1, 40)), len(data) - at)
            lost = random.random() < 0.3
            kept[at // size : -(-(at + length) // size)] &= not lost
            part = Part(at, missing=length) if lost else Part(at, data[at : at + length])
            for block, missing in items.take(part):
                found += [None] * missing + block.tolist()
            at += length
        expected = [
            own.tolist() if is_kept else None for own, is_kept in zip(samples, kept, strict=True)
        ]
        assert found == expected


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collect") / "bell"
    tflm_ext.export(None, folder, pipeline=LEARNING, capture_seconds=1, progress=False)
    found = program_of(folder)
    (found.parent / "sensor.raw").write_bytes(machine(1.0).tobytes())
    return found


def command(program: Path, speed: int) -> str:
    return shlex.join([str(program), "--sensor", str(program.parent / "sensor.raw"), str(speed)])


def is_the_sensor(samples: np.ndarray) -> bool:
    """Consecutive samples of the sensor, which repeats, from anywhere on."""
    one = machine(1.0)
    long = np.tile(one, 2 + len(samples) // len(one))
    starts = np.flatnonzero(long[: len(one)] == samples[0])
    return any((long[at : at + len(samples)] == samples).all() for at in starts)


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_collect(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    given = ["collect", str(store), "--label", "hum", "--seconds", "2.5", "--who", "me", "--json"]
    assert main([*given, "--program", command(program, 4)]) == 0
    found = json.loads(capsys.readouterr().out)["collected"]
    assert (found["samples"], found["seconds"], found["missing"]) == (40_000, 2.5, 0)
    (segment,) = Store(store).segments()
    description = segment.description
    assert (segment.label, description.complete, description.who) == ("hum", True, "me")
    assert description.pipeline == LEARNING.sha256
    (recording,) = Store(store).recordings()
    assert is_the_sensor(LEARNING.recording(recording)[:, 0])


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_collect_over_a_noisy_line(program: Path, tmp_path: Path) -> None:
    """One byte in 5,000 is damaged, both ways."""
    script = tmp_path / "run"
    script.write_text(f"#!/bin/sh\nexec {command(program, 1)}\n")
    script.chmod(0o755)
    with terminal(noisy(script, 5000)) as port, Device.on_port(port) as device:
        found = collect(tmp_path / "store", "hum", device, seconds=1.5)
    assert found == Collected(found.paths, 24_000, 1.5, 0)
    (recording,) = Store(tmp_path / "store").recordings()
    assert is_the_sensor(LEARNING.recording(recording)[:, 0])


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_what_arrived_remains(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device starts again, or a program is interrupted; the next recording follows."""
    read = SampleStream.read
    ends: list[BaseException] = []
    left = [20]

    def ending(stream: SampleStream, seconds: float) -> tuple[Part, ...]:
        left[0] -= 1
        if left[0] == 0:
            raise ends[-1]
        return read(stream, seconds)

    monkeypatch.setattr(SampleStream, "read", ending)
    for error, kind in ((StreamLost("2"), ToolError), (KeyboardInterrupt(), KeyboardInterrupt)):
        left[0] = 20
        ends.append(error)
        with Device.in_program(shlex.split(command(program, 4))) as device, pytest.raises(kind):
            collect(tmp_path / "store", "hum", device, seconds=60, session="day")
    segments = Store(tmp_path / "store").segments()
    assert [own.name for own in segments] == ["hum/day-1", "hum/day-2"]
    for recording in Store(tmp_path / "store").recordings():
        assert is_the_sensor(LEARNING.recording(recording)[:, 0])


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_listen(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The events that replay finds in the same samples."""
    sensor = tmp_path / "sensor.raw"
    sound = np.concatenate([machine(4.0), machine(1.0), machine(3.0)])
    sensor.write_bytes(sound.tobytes())
    project = program.parent / "bell"
    talk = shlex.join([str(program), "--sensor", str(sensor), "8"])
    given = ["listen", str(project), "--program", talk, "--seconds", "2", "--json"]
    assert main(given) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = replay_project(project, sound).events
    assert len(expected) >= 1
    assert [line["score"] for line in lines[: len(expected)]] == [e.score for e in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--program", "'"], "No closing quotation"),
        (["--program", ""], "--program is empty"),
        (["--program", "true", "--seconds", "0"], "not a duration"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["listen", str(tmp_path), *arguments]
    assert main(given) == 2
    assert message in capsys.readouterr().err


def test_seconds_of_a_recording(tmp_path: Path) -> None:
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="not a duration"):
            collect(tmp_path, "hum", None, seconds=seconds)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
