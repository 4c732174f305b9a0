"""The driver of the microphone, on a library that stops it as that of the board does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.firmware.test_motion_sensor import CHECKS, SIMULATION, WARNINGS
from tflm_ext.emit.render import templates_folder

BOARD = Path(__file__).parent / "board"


@pytest.mark.tool("g++")
@pytest.mark.parametrize("block", [16, 256])
def test_every_sample_arrives_or_is_counted(block: int, tmp_path: Path) -> None:
    """Also if the library switches the microphone off, or it is not there at first."""
    folders = [SIMULATION / "clock", BOARD, templates_folder()]
    include = [f"-I{folder}" for folder in folders]
    flags = ["-std=c++11", *WARNINGS, *CHECKS, "-O1", *include]
    program = tmp_path / "program"
    command = ["g++", *flags, str(SIMULATION / "microphone.cpp"), "-o", str(program)]
    subprocess.run(command, check=True)
    done = subprocess.run([program, str(block)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "6\n")
