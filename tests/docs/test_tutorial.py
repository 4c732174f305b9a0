"""The tutorial is run as a reader would run it, in the order of its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-project.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^(?:#|/\*) (\w+\.\w+)")


@pytest.mark.slow
@pytest.mark.tool("cc", "gcc", "g++")
def test_tutorial(tmp_path: Path) -> None:
    printed = ""
    for language, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if language == "sh":
            printed += run(text, tmp_path)
        elif language != "console":  # those set up the environment that the tests run in
            name = NAME.match(text)
            assert name is not None, text
            (tmp_path / name[1]).write_text(text, "utf-8")
    assert re.search(r"^square, [01]\.\d\d$", printed, re.MULTILINE)
    assert "golden vectors passed" in printed
    assert "exit code 6" in printed
    assert "equal to TensorFlow Lite Micro" in printed
    assert accuracy(printed) > 0.9


def accuracy(printed: str) -> float:
    """Of the C, which is that of the int8 model in TFLM."""
    in_tflm = re.search(r"accuracy, int8 in TFLM +([\d.]+)", printed)
    in_c = re.search(r"accuracy, the C as it ran +([\d.]+)", printed)
    assert in_tflm is not None
    assert in_c is not None
    assert in_tflm[1] == in_c[1]
    return float(in_c[1])


def run(commands: str, folder: Path) -> str:
    """What commands print; each has to succeed."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout
