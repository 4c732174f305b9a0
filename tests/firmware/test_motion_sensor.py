"""The drivers of inertial sensors, simulated: rates, ranges, axes, and faults of the bus."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from tests.firmware.sample import sample_facts
from tflm_ext.bench.emulator import link, run
from tflm_ext.ir.rendered import write_files
from tflm_ext.project.motion import measured
from tflm_ext.project.sensors import motion_files
from tflm_ext.signals import Motion, Resample
from tflm_ext.signals.stage import Array
from tflm_ext.targets import board

SIMULATION = Path(__file__).parent / "sensors"
LSM9DS1, BMI270, LSM9DS1_OWN_BUFFERS = 0, 1, 2
CHIPS = {LSM9DS1: "LSM9DS1", BMI270: "BMI270", LSM9DS1_OWN_BUFFERS: "LSM9DS1"}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
CHECKS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

Compiler: TypeAlias = Callable[[Motion], Path]

# At these, counts are passed on as they are: 70 mdps a count is 2293.76 degrees per second.
PASSED_ON = {
    LSM9DS1: Motion(119, "both", 4.0, 2293.76),
    BMI270: Motion(100, "both", 4.0, 2000.0),
}


def sources(source: Motion, folder: Path) -> list[str]:
    """The driver for a source, and flags to compile the simulation with it."""
    facts = sample_facts("wrist")
    write_files(motion_files(facts, source, measured(source)), folder)
    return [
        *("-std=c++11", *WARNINGS, f"-I{folder}", f"-DCHANNELS={source.spec.channels}"),
        *("-DSENSOR=wrist_sensor", '-DSENSOR_HEADER="wrist_sensor.h"'),
    ]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    @functools.cache
    def compiled(source: Motion) -> Path:
        folder = tmp_path_factory.mktemp("sensor")
        flags = [*sources(source, folder), "-O1", "-g", *CHECKS]
        command = ["g++", *flags, str(SIMULATION / "motion.cpp"), "-o", str(folder / "program")]
        subprocess.run(command, check=True)
        return folder / "program"

    return compiled


@dataclass(frozen=True)
class Record:
    """What a driver made of a simulated sensor.

    Attributes:
        samples: (count, channels) int16.
        registers: of the chip, at the end: address=content.
        chip, nominal, found, g, dps, restarts: rates in thousandths of a hertz, and ranges.
    """

    samples: Array
    registers: str
    chip: str
    nominal: int
    found: int
    g: int
    dps: int
    restarts: int


def recorded(program: Path, chip: int, milliseconds: int = 3000, rate: float = 1.0) -> Record:
    command = [program, "record", str(chip), str(milliseconds), str(rate)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return read(done.stdout)


def read(text: str) -> Record:
    *lines, last = text.splitlines()
    words = last.split()
    registers, (name, *numbers) = words[:-6], words[-6:]
    samples = np.array([line.split() for line in lines], np.int64).astype(np.int16)
    return Record(samples, " ".join(registers), name, *map(int, numbers))


def real(count: int, axes: str) -> Array:
    """The counts of the simulated sensors, as (count, channels) in the axes of the board."""
    steps = np.array([1, 3, -5, 11, -1, 7])
    k = np.arange(count)[:, None]
    counts = (steps * k + 1000 * np.arange(1, 7)) % 65536 - 32768
    counts = np.maximum(counts, -32767)
    return counts[:, {"acceleration": slice(3), "rotation": slice(3, 6), "both": slice(6)}[axes]]


def counts_of_pipeline(source: Motion, chip: int, g: int, dps: int) -> Array:
    """What the counts of a sensor are in the range of the pipeline, by the data sheets."""
    full_g = Fraction(732 * 32768, 10**6) if g == 16 and chip != BMI270 else Fraction(g)
    millis = {245: Fraction("8.75"), 500: Fraction("17.5"), 2000: Fraction(70)}
    full_dps = Fraction(dps) if chip == BMI270 else millis[dps] * 32768 / 1000
    factors = [] if source.axes == "rotation" else 3 * [full_g / Fraction(source.range_g)]
    if source.axes != "acceleration":
        factors += 3 * [full_dps / Fraction(source.range_dps)]
    whole = np.array([round(factor * 65536) for factor in factors])
    scaled = (real(4000, source.axes) * whole + 32768) >> 16
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def assert_equal(found: Record, source: Motion, chip: int) -> None:
    """The samples are NumPy's for a stream that begins with one of the sensor's first samples."""
    counts = counts_of_pipeline(source, chip, found.g, found.dps)
    sensor = replace(source, rate=Fraction(found.nominal, 1000))
    block = Resample(source.rate).bind(sensor.spec)
    for first in range(150):
        samples = counts[first:]
        rows = samples if sensor.rate == source.rate else block.run(samples, block.start())[0]
        if np.array_equal(rows[: len(found.samples)], found.samples):
            return
    pytest.fail("the samples are none that NumPy gives")


CASES = {
    # source: nominal rates of LSM9DS1 and BMI270, their ranges in g and in degrees per second
    Motion(119, "both"): ((119_000, 4, 2000), (200_000, 4, 2000)),
    Motion(100, "both"): ((119_000, 4, 2000), (100_000, 4, 2000)),
    Motion(50): ((50_000, 4, None), (50_000, 4, None)),
    Motion(50, "rotation", range_dps=300): ((59_500, None, 500), (50_000, None, 500)),
    Motion("62.5", "acceleration", range_g=3): ((119_000, 4, None), (100_000, 4, None)),
    Motion(12, "both", range_g=9, range_dps=100): ((14_900, 16, 245), (25_000, 16, 125)),
    Motion(400, "acceleration", range_g=20): ((476_000, 16, None), (400_000, 16, None)),
    Motion(952, "both", range_g=0.5, range_dps=5000): ((952_000, 2, 2000), (1_600_000, 2, 2000)),
}


@pytest.mark.slow
@pytest.mark.tool("g++")
@pytest.mark.parametrize("source", CASES, ids=lambda source: f"{source.axes} {source.rate}")
def test_samples_are_those_of_numpy(source: Motion, program: Compiler) -> None:
    """Both revisions of the board give the pipeline's rate, range and axes."""
    for chip in (LSM9DS1, BMI270):
        rate, g, dps = CASES[source][chip]
        found = recorded(program(source), chip, 900 if source.rate > 300 else 3000)
        assert (found.chip, found.nominal, found.restarts) == (CHIPS[chip], rate, 0)
        assert g in (None, found.g)
        assert dps in (None, found.dps)
        seconds = 0.9 if source.rate > 300 else 3.0
        assert abs(len(found.samples) / seconds / float(source.rate) - 1) < 0.15
        assert_equal(found, source, chip)


def passed_on(chip: int) -> Motion:
    return PASSED_ON[BMI270 if chip == BMI270 else LSM9DS1]


@pytest.mark.tool("g++")
@pytest.mark.parametrize("chip", CHIPS)
def test_faults(chip: int, program: Compiler) -> None:
    """A bus that fails at any transfer: no sample is wrong or doubled, every loss is counted."""
    command = [program(passed_on(chip)), "faults", str(chip)]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"2400\n"


@pytest.mark.tool("g++")
@pytest.mark.parametrize("chip", CHIPS)
def test_troubles(chip: int, program: Compiler) -> None:
    """Late loops; chips that are absent, wrong, stuck, reset, silent or slow to start."""
    command = [program(passed_on(chip)), "troubles", str(chip)]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"11\n"


@pytest.mark.slow
@pytest.mark.tool("g++")
@pytest.mark.parametrize("what", ["faults", "troubles"])
def test_faults_without_rotation(what: str, program: Compiler) -> None:
    for chip, rate in ((LSM9DS1, 119), (BMI270, 100)):
        subprocess.run([program(Motion(rate)), what, str(chip)], check=True)


@pytest.mark.tool("g++")
def test_registers(program: Compiler) -> None:
    """As the data sheets want them, with all bits."""
    found = recorded(program(PASSED_ON[LSM9DS1]), LSM9DS1)
    assert found.registers == ("10=7B 11=00 12=00 1E=38 1F=38 20=70 21=00 22=44 23=02 2E=C0")
    found = recorded(program(PASSED_ON[BMI270]), BMI270)
    assert found.registers == "40=A8 41=01 42=E8 43=00 45=88 48=00 49=C0 7C=02 7D=06"


@pytest.mark.slow
@pytest.mark.tool("g++")
def test_registers_without_rotation(program: Compiler) -> None:
    found = recorded(program(Motion(50)), LSM9DS1)
    assert found.registers == ("10=00 11=00 12=00 1E=38 1F=38 20=50 21=00 22=44 23=02 2E=C0")
    found = recorded(program(Motion(50)), BMI270)
    assert found.registers == "40=A7 41=01 42=E7 43=00 45=88 48=00 49=40 7C=02 7D=04"


@pytest.mark.tool("g++")
@pytest.mark.parametrize("rate", [0.95, 1.0, 1.04])
def test_the_true_rate_is_measured(rate: float, program: Compiler) -> None:
    for chip in CHIPS:
        found = recorded(program(passed_on(chip)), chip, 20_000, rate)
        assert found.found == pytest.approx(rate * found.nominal, rel=1e-3)


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_on_the_emulated_core(tmp_path: Path) -> None:
    """The same samples, with the resampler's DSP instructions."""
    source = Motion(100, "both")
    nano = board("nano33ble_sense")
    flags = [flag for flag in sources(source, tmp_path) if "-std" not in flag]
    unit = (SIMULATION / "motion.cpp", [*flags, "-DON_CORE"])
    main = "int simulate(void);\nint main(void)\n{\n    return simulate();\n}\n"
    program = link(nano, (), tmp_path / "program", main, [unit])
    assert_equal(read(run(program, nano.core).decode()), source, LSM9DS1)


def test_rates_that_no_driver_gives() -> None:
    """The chips have nothing as fast, or the resampler would be too large."""
    assert measured(Motion(953)) == ()
    assert measured(Motion("1/97")) == ()
    assert len(measured(Motion(952))) == 2
