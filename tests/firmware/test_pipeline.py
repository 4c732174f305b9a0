"""Firmware of a project with a pipeline: samples instead of a sensor, events, the user's app."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tflm_ext
from tests.device.test_client import run_program, terminal
from tests.sense.families import net, pipeline
from tests.sense.test_without_model import LEARNING, machine
from tflm_ext import sense
from tflm_ext.cli import main
from tflm_ext.device import Device
from tflm_ext.errors import ConfigError, ToolError, VerificationError
from tflm_ext.replay import replay_port, replay_project

pytestmark = [pytest.mark.slow, pytest.mark.tool("gcc", "g++")]

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror", "-O1"]


def exported(own: sense.Pipeline, folder: Path, *, model: bool) -> Path:
    """A project called bell."""
    given = None
    if model:
        given = folder / "net.tflite"
        given.write_bytes(net(own))
    tflm_ext.export(given, folder / "bell", pipeline=own, progress=False)
    return folder / "bell"


def program_of(project: Path) -> Path:
    """Its firmware for this computer, without a warning."""
    library = project / "lib" / "Bell" / "src"
    objects = []
    for source in library.glob("*.c"):
        objects.append(str(source.with_suffix(".o")))
        command = ["gcc", "-std=c99", "-O1", "-c", source.name, "-o", objects[-1]]
        subprocess.run(command, cwd=library, check=True)
    units = [str(project / "src" / name) for name in ("main.cpp", "app.cpp")]
    program = project.parent / "program"
    flags = ["-std=c++11", *FLAGS, f"-I{library}"]
    subprocess.run(["g++", *flags, *units, *objects, "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(LEARNING, tmp_path_factory.mktemp("alone"), model=False)


@pytest.fixture(scope="module")
def program(alone: Path) -> Path:
    return program_of(alone)


def test_events_of_a_pipeline_alone(
    alone: Path, program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = machine(2.0)
    expected = replay_project(alone, sound)
    assert expected.events
    with terminal(run_program(program)) as port:
        assert replay_port(alone, sound, port).events == expected.events
    np.save(tmp_path / "evening.npy", sound)
    with terminal(run_program(program)) as port:
        assert main(["replay", str(alone), str(tmp_path / "evening.npy"), "--port", port]) == 0
    assert f"events: {len(expected.events)}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["keyword", "statistics", "autoencoder"])
def test_events_of_a_model(name: str, tmp_path: Path) -> None:
    own = pipeline(name)
    folder = exported(own, tmp_path, model=True)
    channels = own.source.spec.channels
    sound = np.random.default_rng(1).normal(0, 3000, (9_000, channels)).astype(np.int16)
    sound[::3] = np.clip(sound[::3].astype(int) * 9, -32768, 32767)
    expected = replay_project(folder, sound)
    with terminal(run_program(program_of(folder))) as port:
        assert replay_port(folder, sound, port).events == expected.events


def test_the_app_gets_results_and_events(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written once, and never changed or removed."""
    project = shutil.copytree(alone, tmp_path / "bell")
    app = project / "src" / "app.cpp"
    text = app.read_text("utf-8")
    mine = f"#include <stdio.h>\n{text}"
    for word in ("score is that", "label, score"):
        (line,) = (line for line in text.splitlines() if word in line)
        code = f'FILE *const f = fopen("told", "a"); fprintf(f, "{word} %d\\n", (int)event->score);'
        mine = mine.replace(line, f"{code} fclose(f);")
    app.write_text(mine, "utf-8")
    tflm_ext.export(None, project, pipeline=LEARNING, overwrite=True, progress=False)
    assert app.read_text("utf-8") == mine
    assert not app.with_suffix(".cpp.new").exists()
    assert b"app.cpp" not in (project / "report.json").read_bytes()
    program, sound = program_of(project), machine(2.0)
    monkeypatch.chdir(tmp_path)
    with Device.in_program([str(program)]) as device:
        events = device.replay(sound.tobytes(), lambda at: None)
    told = (tmp_path / "told").read_text().splitlines()
    assert events
    assert [line for line in told if "label" in line] == [
        f"label, score {event.score}" for event in events
    ]
    assert sum("that" in line for line in told) == replay_project(alone, sound).windows
    app.unlink()
    tflm_ext.export(None, project, pipeline=LEARNING, progress=False)
    assert app.read_text("utf-8") == text


def noisy(program: Path, one_in: int) -> Callable[[int], None]:
    """The firmware at the other end of a line that damages bytes both ways."""
    chance = random.Random(5)

    def damaged(data: bytes) -> bytes:
        return bytes(
            b ^ 1 << chance.randrange(8) if not chance.randrange(one_in) else b for b in data
        )

    def talk(line: int) -> None:
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        stdout = process.stdout

        def answer() -> None:
            with contextlib.suppress(OSError):
                while data := os.read(stdout.fileno(), 4096):
                    os.write(line, damaged(data))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with process, contextlib.suppress(OSError):
            while data := os.read(line, 4096):
                process.stdin.write(damaged(data))
                process.stdin.flush()

    return talk


def test_a_noisy_line_changes_no_event(alone: Path, program: Path) -> None:
    """Samples are repeated, and counted once; events are read again."""
    sound = np.concatenate([machine(2.0)[:11_000], machine(2.0)[-2_000:]])
    expected = replay_project(alone, sound)
    assert expected.events
    with terminal(noisy(program, 5000)) as port:
        assert replay_port(alone, sound, port).events == expected.events


def test_requests(program: Path) -> None:
    with Device.in_program([str(program)]) as device:
        assert device.info().pipeline == LEARNING.sha256
        device.reset()
        assert device._request("SAMPLES 0 0100FF") == "3 0"
        assert device._request("SAMPLES 0 0100FF") == "3 0"  # repeated
        assert device._request("SAMPLES 3 7F") == "4 0"
        for wrong in ("SAMPLES 9 00", "SAMPLES 4 0", "SAMPLES 4", "SAMPLES x 00", "EVENT 0"):
            with pytest.raises(ToolError):
                device._request(wrong)
        device.reset()
        assert device._request("SAMPLES 0 00") == "1 0"


def test_another_pipeline(alone: Path, program: Path, tmp_path: Path) -> None:
    other = LEARNING.with_decision(sense.Alarm(on=3.0))
    folder = exported(other, tmp_path, model=False)
    with terminal(run_program(program)) as port, pytest.raises(ConfigError, match="model 'bell'"):
        replay_port(folder, machine(0.5), port)


def test_a_device_that_finds_other_events(alone: Path, tmp_path: Path) -> None:
    project = shutil.copytree(alone, tmp_path / "bell")
    source = project / "lib/Bell/src/bell_sense.c"
    text = source.read_text("utf-8")
    assert text.count(".average = 1,") == 1
    source.write_text(text.replace(".average = 1,", ".average = 0,"), "utf-8")
    wrong = program_of(project)
    with terminal(run_program(wrong)) as port, pytest.raises(VerificationError, match="instead of"):
        replay_port(alone, machine(2.0), port)
