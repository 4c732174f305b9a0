"""Projects whose firmware starts a sensor: what they contain, and that it runs."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

import tflm_ext
from tests.firmware.sample import sample_facts
from tests.firmware.test_microphone import BOARD
from tests.firmware.test_motion_sensor import (
    BMI270,
    CHECKS,
    CHIPS,
    LSM9DS1,
    PASSED_ON,
    SIMULATION,
    sources,
)
from tests.firmware.test_pipeline import LOOP, exported, program_of, wait_for_event
from tests.sense.families import pipeline
from tests.sense.test_without_model import LEARNING
from tflm_ext import sense
from tflm_ext.device import Device
from tflm_ext.project.platformio_tree import platformio_files
from tflm_ext.project.sensors import sensor_for
from tflm_ext.runtimes.tflm.runtime import tflm_parts
from tflm_ext.targets import board

NANO = board("nano33ble_sense")


def with_source(source: object) -> sense.Pipeline:
    return sense.Pipeline(source, sense.Frames(50, 25), sense.Raw(flat=True))


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (sense.Motion(50), "inertial sensor"),
        (sense.Motion(952, "both"), "inertial sensor"),
        (sense.Motion(953), None),
        (sense.Microphone(), "microphone"),
        (sense.Microphone("125000/3"), "microphone"),
        (sense.Microphone(41_667), "microphone"),
        (sense.Microphone(8_000), None),
        (sense.Microphone(16_000, channels=2), None),
        (sense.Analog(50), None),
        (sense.Analog(5, high=2, unit="Pa", columns=("pressure",)), "environment sensor"),
    ],
)
def test_sensors_of_sources(source: object, title: str | None) -> None:
    found = sensor_for(sample_facts(), with_source(source), NANO)
    assert (found and found.title) == title
    for other in ("raspberry_pi_pico", "nucleo_f767zi", "cortex-m4"):
        assert sensor_for(sample_facts(), with_source(source), board(other)) is None


def test_blocks_of_the_microphone_fit_the_ring() -> None:
    """The ring of the pipeline takes what comes while a hop is computed."""
    short = sense.Pipeline(sense.Microphone(), sense.Frames(32, 16), sense.Raw(flat=True))
    found = sensor_for(sample_facts(), short, NANO)
    assert found is not None
    assert found.declaration == "sensors::Microphone sensor(16000, 16, push_samples, lose_samples)"


def test_a_board_with_other_sensors_is_an_error(tmp_path: Path) -> None:
    own = Path(tflm_ext.__file__).parent / "targets/boards/nano33ble_sense.toml"
    text = own.read_text("utf-8")
    for sensors in ('["radar"]', "7", "[[]]", '"motion"'):
        path = tmp_path / "mine.toml"
        path.write_text(re.sub(r"(?m)^sensors = .*", f"sensors = {sensors}", text), "utf-8")
        with pytest.raises(
            tflm_ext.ConfigError, match='a list of some of "motion", "microphone", "environment"'
        ):
            board(str(path))


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(pipeline("statistics"), tmp_path_factory.mktemp("moving"), model=True)


@pytest.fixture(scope="module")
def feeling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = sense.Analog(5, bits=15, low=900, high=1100, unit="hPa", columns=("pressure",))
    own = sense.Pipeline(source, sense.Frames(50, 25), sense.Raw(flat=True))
    return exported(own, tmp_path_factory.mktemp("feeling"), model=True)


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(LEARNING, tmp_path_factory.mktemp("hearing"), model=False)


@pytest.mark.slow
@pytest.mark.tool("gcc")
def test_libraries_that_a_sensor_needs(moving: Path, hearing: Path) -> None:
    needed = "arduino-libraries/Arduino_BMI270_BMM150@1.2.3"
    for folder, dependency in ((moving, needed), (hearing, None)):
        ini = configparser.ConfigParser()
        ini.read(folder / "platformio.ini", "utf-8")
        assert ini["env:nano33ble"].get("lib_deps") == dependency
        properties = (folder / "lib/Bell/library.properties").read_text("utf-8")
        assert ("\ndepends=Arduino_BMI270_BMM150\n" in properties) == (dependency is not None)
        assert (folder / "lib/Bell/examples/BellSensor/BellSensor.ino").is_file()
        assert "start_sensor();" in (folder / "src/app.cpp").read_text("utf-8")


def test_libraries_of_a_sensor_and_of_tflm() -> None:
    facts = sample_facts()
    sensor = sensor_for(facts, with_source(sense.Motion(50)), NANO)
    file, *_ = platformio_files(facts, NANO, tflm_parts(facts, None), sensor)
    ini = configparser.RawConfigParser()
    ini.read_string(file.content.decode())
    tflm, imu = ini["env:nano33ble"]["lib_deps"].split()
    assert "tflite-micro-arduino-examples" in tflm
    assert imu == "arduino-libraries/Arduino_BMI270_BMM150@1.2.3"


SOUND = """
#include <PDM.h>

static int16_t noise(uint32_t k)
{
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    return k % 16000u < 8000u ? static_cast<int16_t>((random >> 21) - 1024u) : int16_t(0);
}

void sensor_interrupt()
{
    simulated_sound = noise;
    PDM.interrupt(false);
}
"""


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_events_from_the_microphone(tmp_path: Path) -> None:
    """setup() and loop() as on the board: all samples come from the driver."""
    own = pipeline("mahalanobis").with_decision(sense.Alarm(on=1.0))
    project = exported(own, tmp_path, model=False)
    for name, text in (("main.cpp", LOOP), ("app.cpp", SOUND)):
        path = project / "src" / name
        path.write_text(path.read_text("utf-8") + text, "utf-8")
    program = program_of(project, "-DARDUINO", "-DCLOCK=16u", f"-I{BOARD}")
    with Device.in_program([str(program)]) as device:
        assert wait_for_event(device)


@pytest.mark.tool("g++")
@pytest.mark.parametrize("chip", [LSM9DS1, BMI270])
def test_the_bus_of_the_board(chip: int, tmp_path: Path) -> None:
    """Through Wire1, of which some transfers are cut short, and at 400 kHz."""
    flags = [*sources(PASSED_ON[chip], tmp_path), f"-I{SIMULATION / 'clock'}", f"-I{BOARD}"]
    program = tmp_path / "program"
    command = ["g++", *flags, *CHECKS, str(SIMULATION / "nano33ble.cpp"), "-o", str(program)]
    subprocess.run(command, check=True)
    done = subprocess.run([program, str(chip)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{CHIPS[chip]}\n")


SKETCH = """
#include <Arduino.h>
struct Monitor {
    void begin(unsigned long)
    {
    }

    template <typename T> void print(T)
    {
    }

    void println(const char *)
    {
    }
};
static Monitor monitor;
#define Serial monitor
"""


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
@pytest.mark.parametrize("name", ["moving", "hearing", "feeling"])
def test_the_sketch_compiles(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(name)
    sketch = folder / "lib/Bell/examples/BellSensor/BellSensor.ino"
    unit = tmp_path / "sketch.cpp"
    unit.write_text(f'{SKETCH}#include "{sketch}"\n', "utf-8")
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-c"]
    include = [f"-I{BOARD}", f"-I{folder / 'lib/Bell/src'}", "-DARDUINO=10810", "-DCLOCK=1u"]
    target = ["-o", str(tmp_path / "sketch.o")]
    subprocess.run(["g++", "-std=c++11", *flags, *include, str(unit), *target], check=True)


def real_core() -> tuple[Path, Path] | None:
    """Folders of Arduino's core for the board and of its library for the BMI270, if given."""
    folders = [os.environ.get(name) for name in ("TFLM_EXT_MBED_CORE", "TFLM_EXT_BMI270")]
    return (Path(folders[0]), Path(folders[1])) if folders[0] and folders[1] else None


@pytest.mark.slow
@pytest.mark.tool("gcc", "arm-none-eabi-g++")
def test_with_the_real_core(moving: Path, hearing: Path, feeling: Path, tmp_path: Path) -> None:
    """Firmware and sketch compile with the board's own core, libraries and flags, if at hand."""
    found = real_core()
    if found is None:
        return  # not a skip: they are never part of this repository
    core, imu = found
    variant, arduino = core / "variants/ARDUINO_NANO33BLE", core / "cores/arduino"
    include = [arduino, arduino / "api/deprecated", variant, imu / "src"]
    include += [core / "libraries/Wire", core / "libraries/PDM/src"]
    defines = "ARDUINO=10810 ARDUINO_ARCH_MBED ARDUINO_ARCH_NRF52840 ARDUINO_ARDUINO_NANO33BLE"
    command = [
        *("arm-none-eabi-g++", f"@{variant / 'cxxflags.txt'}", f"@{variant / 'defines.txt'}"),
        *(f"-D{define}" for define in defines.split()),
        *(f"-I{folder}" for folder in include),
        *("-iprefix", str(arduino), f"@{variant / 'includes.txt'}"),
    ]
    for folder in (moving, hearing, feeling):
        units = [*(folder / "src").glob("*.cpp"), *folder.glob("lib/Bell/examples/*/*.ino")]
        assert len(units) >= 4
        for unit in units:
            own = ["-x", "c++", "-include", "Arduino.h", f"-I{folder / 'lib/Bell/src'}"]
            run = [*command, *own, "-c", str(unit), "-o", str(tmp_path / "unit.o")]
            done = subprocess.run(run, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            ours = [line for line in done.stderr.splitlines() if line.startswith(str(folder))]
            assert not ours, done.stderr
