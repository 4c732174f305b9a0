"""Firmware of a project with a pipeline: samples instead of a sensor, events, the user's app."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tflm_ext
from tests.device.test_client import run_program, terminal
from tests.ops.test_fully_connected import fully_connected
from tests.sense.families import net, pipeline
from tests.sense.test_without_model import LEARNING, machine
from tflm_ext import sense
from tflm_ext.cli import main
from tflm_ext.device import Device
from tflm_ext.errors import ConfigError, ToolError, VerificationError
from tflm_ext.recheck import verify_port
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


def program_of(project: Path, *options: str) -> Path:
    """Its firmware for this computer, without a warning."""
    library = project / "lib" / "Bell" / "src"
    objects = []
    for source in library.glob("*.c"):
        objects.append(str(source.with_suffix(".o")))
        command = ["gcc", "-std=c99", "-O1", "-c", source.name, "-o", objects[-1]]
        subprocess.run(command, cwd=library, check=True)
    units = sorted(str(unit) for unit in (project / "src").glob("*.cpp"))
    program = project.parent / "program"
    flags = ["-std=c++11", *FLAGS, f"-I{library}", *options]
    subprocess.run(["g++", *flags, *units, *objects, "-o", str(program)], check=True)
    return program


def board_of(project: Path, *, samples: int, clock: int = 1) -> Path:
    """Its firmware on a board with a sensor.

    Args:
        project: gets the sensor, and the main program of Arduino.
        samples: of the sensor per millisecond.
        clock: how much faster it runs than that of this computer.
    """
    main_cpp, app = project / "src/main.cpp", project / "src/app.cpp"
    main_cpp.write_text(f"{main_cpp.read_text('utf-8')}{LOOP}", "utf-8")
    app.write_text(f"{app.read_text('utf-8')}{SENSOR}", "utf-8")
    board = Path(__file__).parent / "board"
    options = ("-DARDUINO", f"-DCLOCK={clock}u", f"-DSAMPLES={samples}u", f"-I{board}")
    return program_of(project, *options)


LOOP = """
#include <Arduino_BMI270_BMM150.h>
#include <PDM.h>
#include <Wire.h>

SerialPort Serial;
TwoWire Wire1;
BoschSensorClass IMU_BMI270_BMM150;
PDMClass PDM;
int16_t (*simulated_sound)(uint32_t k) = NULL;

int main()
{
    setup();
    for (;;) {
        loop();
    }
}
"""

# Noise that comes and goes.
SENSOR = """
void sensor_interrupt()
{
    static uint32_t random = 1;
    static uint32_t count;
    int16_t samples[SAMPLES];
    for (size_t i = 0; i < SAMPLES; ++i) {
        random = random * 1664525u + 1013904223u;
        const int32_t noise = static_cast<int32_t>(random >> 21) - 1024;
        samples[i] = static_cast<int16_t>(++count % 8000u < 4000u ? noise : 0);
    }
    push_samples(samples, SAMPLES);
}
"""


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
    text = capsys.readouterr().out
    assert f"events: {len(expected.events)}" in text
    assert f"The board at {port} found the same events." in text


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
    for word in ("score is that", "label and score"):
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
        f"label and score {event.score}" for event in events
    ]
    assert sum("that" in line for line in told) == replay_project(alone, sound).windows
    app.unlink()
    tflm_ext.export(None, project, pipeline=LEARNING, progress=False)
    assert app.read_text("utf-8") == text


def test_images_become_results(tmp_path: Path) -> None:
    """There is no decision, so the board has no events; the app counts windows."""
    folder = exported(pipeline("image"), tmp_path, model=True)
    app = folder / "src/app.cpp"
    text = app.read_text("utf-8")
    assert text.count("(void)event; /* bell_output") == 1
    code = '(void)event; fputs("result\\n", stderr); /* bell_output'
    text = text.replace("(void)event; /* bell_output", code)
    app.write_text(f"#include <stdio.h>\n{text}", "utf-8")
    images = np.random.default_rng(1).integers(0, 256, (7, 24, 20, 3), np.uint8)
    with Device.in_program(["sh", "-c", f"{program_of(folder)} 2>{tmp_path}/told"]) as device:
        assert device.replay(images.tobytes(), lambda at: None) == ()
    assert (tmp_path / "told").read_text() == 7 * "result\n"


def test_the_serial_line_borrows_the_pipeline(tmp_path: Path) -> None:
    """The sensor's samples count only before, and when the line has been silent for a while."""
    own = pipeline("mahalanobis").with_decision(sense.Alarm(on=1.0))
    project = exported(own, tmp_path, model=False)
    sound = np.random.default_rng(1).integers(-1024, 1024, 9_000).astype(np.int16)
    sound[2_000:3_000] = sound[5_000:7_000] = 0
    expected = replay_project(project, sound).events
    assert len(expected) == 2
    with Device.in_program([str(board_of(project, samples=16, clock=5))]) as device:
        assert wait_for_event(device)
        for _ in range(2):
            found = device.replay(sound.tobytes(), lambda at: None)
            times = [event.milliseconds / 1000 for event in found]
            assert times == [event.seconds for event in expected]
        assert not wait_for_event(device, 0.5)
        assert wait_for_event(device)
        with pytest.raises(ToolError, match="samples are missing"):
            device._request(f"SAMPLES {sound.nbytes} 00")


def wait_for_event(device: Device, seconds: float = 20) -> bool:
    """Whether the board finds something in the signal of its own sensor."""
    found, end = b"", time.monotonic() + seconds
    while b"<EVENT" not in found and time.monotonic() < end:
        found += device._stream.read(0.1)
    return b"<EVENT" in found


def test_verify_while_the_sensor_is_running(tmp_path: Path) -> None:
    """The pipeline does not write the model's input between IN and RUN."""
    folder = exported(pipeline("autoencoder"), tmp_path, model=True)
    with terminal(run_program(board_of(folder, samples=640))) as port:
        assert verify_port(folder, port).inputs > 1


def test_an_export_without_the_pipeline_builds(tmp_path: Path) -> None:
    """app.cpp stays, and is empty to the compiler; with the pipeline, it is used again."""
    own = pipeline("keyword")
    folder = exported(own, tmp_path, model=True)
    app = folder / "src/app.cpp"
    text = app.read_text("utf-8")
    (tmp_path / "other.tflite").write_bytes(fully_connected())
    tflm_ext.export(tmp_path / "other.tflite", folder, name="bell", pipeline=None, progress=False)
    assert not (folder / "src/app.h").exists()
    assert app.read_text("utf-8") == text
    program_of(folder)
    tflm_ext.export(tmp_path / "net.tflite", folder, pipeline=own, progress=False)
    assert app.read_text("utf-8") == text
    program_of(folder)


def test_a_decision_may_come_later(tmp_path: Path) -> None:
    """app.cpp was written without, and has what is needed with one."""
    folder = exported(LEARNING.with_decision(None), tmp_path, model=False)
    text = (folder / "src/app.cpp").read_text("utf-8")
    program_of(folder)
    tflm_ext.export(None, folder, pipeline=LEARNING, progress=False)
    assert (folder / "src/app.cpp").read_text("utf-8") == text
    program_of(folder)


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
        assert int(device._request("RUN")) > 0
        device.reset()
        assert device._request("SAMPLES 0 00") == "1 0"


def test_samples_end_what_the_model_was_asked(tmp_path: Path) -> None:
    """They overwrite its tensors."""
    folder = exported(pipeline("autoencoder"), tmp_path, model=True)
    with Device.in_program([str(program_of(folder))]) as device:
        device.reset()
        data = bytes(device.info().input_bytes[0]).hex().upper()
        for requests in ((f"IN 0 0 {data}", "SAMPLES 0 0000", "RUN"), ("OUT 0 0 1",)):
            for request in requests[:-1]:
                device._request(request)
            with pytest.raises(VerificationError):
                device._request(requests[-1])


def test_another_pipeline(alone: Path, program: Path, tmp_path: Path) -> None:
    other = LEARNING.with_decision(sense.Alarm(on=3.0))
    folder = exported(other, tmp_path, model=False)
    with terminal(run_program(program)) as port, pytest.raises(ConfigError, match="model 'bell'"):
        replay_port(folder, machine(0.5), port)


def test_the_same_model_behind_another_pipeline(tmp_path: Path) -> None:
    own = pipeline("autoencoder")
    folder = exported(own, tmp_path, model=True)
    main_cpp = folder / "src/main.cpp"
    text = main_cpp.read_text("utf-8")
    assert text.count(own.sha256) == 1
    main_cpp.write_text(text.replace(own.sha256, "0" * 64), "utf-8")
    with terminal(run_program(program_of(folder))) as port, pytest.raises(ConfigError) as error:
        replay_port(folder, machine(0.5), port)
    assert str(error.value) == (
        f"The pipeline of the board at {port} is not that of the project.\n"
        f"Upload the project's firmware: pio run -d {folder} -e nano33ble -t upload"
    )


def test_a_device_that_finds_other_events(alone: Path, tmp_path: Path) -> None:
    project = shutil.copytree(alone, tmp_path / "bell")
    source = project / "lib/Bell/src/bell_sense.c"
    text = source.read_text("utf-8")
    assert text.count(".average = 1,") == 1
    source.write_text(text.replace(".average = 1,", ".average = 0,"), "utf-8")
    wrong = program_of(project)
    with terminal(run_program(wrong)) as port, pytest.raises(VerificationError, match="instead of"):
        replay_port(alone, machine(2.0), port)
