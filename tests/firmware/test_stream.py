"""Firmware that may send samples: frames, resends, a noisy line; and firmware that may not."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import tflm_ext
from tests.device.test_client import terminal
from tests.firmware.test_pipeline import noisy, program_of
from tests.sense.test_without_model import LEARNING, machine
from tflm_ext.device import Device
from tflm_ext.device.streaming import Part, SampleStream, StreamLost
from tflm_ext.errors import ConfigError, ToolError, VerificationError
from tflm_ext.signals.written import read_stage

pytestmark = [pytest.mark.slow, pytest.mark.tool("gcc", "g++")]

RING = 32_000
SENDS = re.compile(r"stream_|RESEND|SOURCE|define PROTOCOL_MORE")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream") / "bell"
    tflm_ext.export(None, folder, pipeline=LEARNING, capture_seconds=1, progress=False)
    return folder


@pytest.fixture(scope="module")
def program(project: Path) -> Path:
    return program_of(project)


@pytest.fixture(scope="module")
def sensed(project: Path) -> bytes:
    """What the sensor gives, again and again."""
    data = machine(1.0).tobytes()
    (project.parent / "sensor.raw").write_bytes(data)
    return data


def with_sensor(program: Path, speed: int = 1) -> list[str]:
    return [str(program), "--sensor", str(program.parent / "sensor.raw"), str(speed)]


def collected(device: Device, count: int, sensed: bytes) -> int:
    """Every byte is that of the sensor at its position; returns how many are lost."""
    stream = SampleStream(device, 7)
    stream.start()
    parts: list[Part] = []
    while stream.at < count:
        parts += stream.read(0.5)
    parts += stream.stop()
    at = lost = 0
    expected = sensed * (2 + (stream.first + stream.at) // len(sensed))
    for part in parts:
        start = stream.first + at
        assert part.at == at
        assert part.data == expected[start : start + len(part.data)]
        lost += part.missing
        at += part.missing or len(part.data)
    return lost


def test_samples_arrive_as_the_sensor_gave_them(program: Path, sensed: bytes) -> None:
    with Device.in_program(with_sensor(program, 4)) as device:
        assert read_stage(json.loads(device.source())) == LEARNING.source
        assert (device.info().item_bytes, device.info().ring_bytes) == (2, RING)
        assert collected(device, 100_000, sensed) == 0


def test_a_noisy_line_loses_nothing(program: Path, sensed: bytes, tmp_path: Path) -> None:
    """One byte in 5,000 is damaged, both ways."""
    script = tmp_path / "run"
    script.write_text("#!/bin/sh\nexec " + " ".join(with_sensor(program)) + "\n")
    script.chmod(0o755)
    with terminal(noisy(script, 5000)) as port, Device.on_port(port) as device:
        assert collected(device, 60_000, sensed) == 0


def test_commands_may_be_repeated(program: Path) -> None:
    with Device.in_program([str(program)]) as device:
        first = device._request("STREAM 3")
        assert device._request("STREAM 3") == first
        device.reset()
        assert device._request("SAMPLES 0 00010203") == "4 0"
        end = f"{int(first, 16) + 4:08X}"
        assert device._request("STOP") == device._request("STOP") == end
        assert device._request("STREAM 3") == first
        assert device._request("STREAM 4") == end
        for wrong in ("STREAM 0", "STREAM 256", "STREAM", "RESEND 4 1 2"):
            with pytest.raises(ToolError):
                device._request(wrong)
        with pytest.raises(VerificationError):
            device._request("RESEND 3 00000000 0")


def test_what_left_the_ring_is_a_gap(program: Path) -> None:
    samples = machine(1.5).tobytes()[: RING + 2_000]
    with Device.in_program([str(program)]) as device:
        stream = SampleStream(device, 9)
        stream.start()
        device.replay(samples, lambda at: None)
        end = device.stop_stream()
        assert list(device.frames())
        stream._ask(end)
        parts: list[Part] = []
        while not parts:
            parts += stream.read(0.5)
        assert parts[0].missing == len(samples) - RING


def test_another_stream_ends_this_one(program: Path) -> None:
    with Device.in_program([str(program)]) as device:
        stream = SampleStream(device, 3)
        stream.start()
        device.start_stream(4)
        stream._ask(0)
        with pytest.raises(StreamLost):
            read_for_ever(stream)


def read_for_ever(stream: SampleStream) -> None:
    for _ in range(20):
        stream.read(0.5)


def test_without_capture_samples_have_no_way_out(tmp_path: Path, project: Path) -> None:
    """Neither the sources nor the program have what sends them, and the commands are not known."""
    folder = tmp_path / "bell"
    tflm_ext.export(None, folder, pipeline=LEARNING, progress=False)
    files = {path.name: path.read_text("utf-8") for path in (folder / "src").iterdir()}
    sends = {path.name for path in (project / "src").iterdir()} - set(files)
    assert sends == {"stream.h", "recorded_sensor.h"}
    for text in files.values():
        assert not SENDS.search(text)
    assert SENDS.search((project / "src/main.cpp").read_text("utf-8"))
    program = program_of(folder)
    nm = subprocess.run(["nm", "-C", program], check=True, capture_output=True, text=True)
    assert "protocol_" in nm.stdout
    assert not SENDS.search(nm.stdout)
    with Device.in_program([str(program)]) as device:
        for command in ("STREAM 1", "STOP", "RESEND 1 00000000 1", "SOURCE"):
            with pytest.raises(ToolError):
                device._request(command)
        with pytest.raises(ConfigError, match="does not send samples"):
            device.start_stream(1)


def test_capture_seconds_are_kept_and_reported(project: Path, tmp_path: Path) -> None:
    report = tflm_ext.export(None, project, pipeline=LEARNING, progress=False).report.to_dict()
    assert report["pipeline"]["capture_seconds"] == 1.0
    assert report["pipeline"]["capture_bytes"] == RING
    for wrong in (-1, "2", True, float("nan"), 1e9):
        with pytest.raises(ConfigError, match="capture_seconds"):
            tflm_ext.export(
                None, tmp_path / "x", pipeline=LEARNING, capture_seconds=wrong, progress=False
            )
    with pytest.raises(tflm_ext.BudgetError, match="capture_seconds"):
        tflm_ext.export(None, tmp_path / "x", pipeline=LEARNING, capture_seconds=60, progress=False)
