"""The drivers of slow sensors, simulated: values in the counts of the source, and faults."""

from __future__ import annotations

import math
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from tests.firmware.sample import sample_facts
from tests.firmware.test_motion_sensor import CHECKS, SIMULATION, WARNINGS
from tflm_ext.ir.rendered import write_files
from tflm_ext.project.gauges import gauge_files, gauges_for
from tflm_ext.signals import Analog

PRESSURE = Analog(2, bits=15, low=900, high=1100, unit="hPa", columns=("pressure",))
TEMPERATURE = Analog(
    2, bits=16, low=-30, high=30, unit="\N{DEGREE SIGN}C", columns=("temperature",), signed=True
)
PROXIMITY = Analog(2, bits=8, low=0, high=256, unit="", columns=("proximity",))


def real(name: str, k: int) -> Fraction:
    """What the simulated sensors measure in second `k`: hPa, degrees, counts."""
    if name == "pressure":
        return Fraction(3_800_000 + 97 * (k % 8192), 4096)
    return Fraction(k % 6000 - 2000, 100) if name == "temperature" else Fraction(k % 256)


@pytest.mark.tool("g++")
@pytest.mark.parametrize("source", [PRESSURE, TEMPERATURE, PROXIMITY], ids=lambda s: s.columns[0])
def test_values_and_faults(source: Analog, tmp_path: Path) -> None:
    """Counts are those that the source declares; a bus that fails costs samples, which count."""
    write_files(gauge_files(sample_facts("air"), source, gauges_for(source)), tmp_path)
    (name,), (channel,) = source.columns, source.layout
    defines = ["-DSENSOR=air_sensor", '-DSENSOR_HEADER="air_sensor.h"', "-DCHANNELS=1"]
    program = tmp_path / "program"
    flags = ["-std=c++11", *WARNINGS, *CHECKS, *defines, f'-DFIRST="{name}"', f"-I{tmp_path}"]
    main = str(SIMULATION / "gauges.cpp")
    subprocess.run(["g++", *flags, main, "-o", str(program)], check=True)
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(rows) >= 118
    for k, count in rows:
        exact = real(name, k) / Fraction(channel.step) + Fraction(channel.zero)
        whole = math.floor(exact + Fraction(1, 2))
        assert count == min(max(whole, channel.low), channel.high)


@pytest.mark.parametrize(
    "source",
    [
        Analog(26, low=900, high=1100, unit="hPa", columns=("pressure",)),  # too fast
        Analog(2, low=900, high=1100, unit="hPa"),  # no column tells what it is
        Analog(2, low=900, high=1100, unit="mmHg", columns=("pressure",)),
        Analog(2, unit="V", columns=("voltage",)),
        Analog(2, unit="hPa", channels=2, columns=("pressure", "altitude")),
        Analog(2, low=0, high=1e-3, unit="hPa", columns=("pressure",)),  # finer than the sensor
    ],
)
def test_sources_without_a_sensor(source: Analog) -> None:
    assert gauges_for(source) == ()
