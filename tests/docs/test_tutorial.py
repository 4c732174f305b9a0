"""The tutorials are run as a reader would run them, in the order of their pages.

That on compression is shortened: a few epochs, in which it cannot become as accurate as it says. So
is that on a machine: with shorter recordings and fewer epochs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "tutorial"
EXAMPLES = ROOT / "examples"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^(?:#|/\*) (\w+\.\w+)")


@pytest.mark.slow
@pytest.mark.tool("cc", "gcc", "g++")
def test_tutorial(tmp_path: Path) -> None:
    printed = follow("first-project.md", tmp_path, {})
    assert re.search(r"^square, [01]\.\d\d$", printed, re.MULTILINE)
    assert "golden vectors passed" in printed
    assert "exit code 6" in printed
    assert "equal to TensorFlow Lite Micro" in printed
    assert accuracy(printed) > 0.9


@pytest.mark.slow
@pytest.mark.tool("cc", "gcc", "g++")
def test_tutorial_on_compression(tmp_path: Path) -> None:
    shorter = {
        "EPOCHS = 30": "EPOCHS = 4",
        "EPOCHS = 20": "EPOCHS = 1",
        "Recipe(fine_tune_epochs=EPOCHS)": (
            "Recipe(round_epochs=1, fine_tune_epochs=EPOCHS, quantize_epochs=1)"
        ),
    }
    printed = follow("compress.md", tmp_path, shorter)
    found = re.findall(r"^flash, weights +([\d,]+) ", printed, re.MULTILINE)
    as_given, compressed = (int(number.replace(",", "")) for number in found)
    assert 300_000 < as_given < 305_000
    assert 40_000 < compressed < 60_000
    steps = re.findall(r"^([a-z -]+?)  +0\.\d{4}  +0\.\d{4} ", printed, re.MULTILINE)
    assert steps == ["as given", "channel pruning", "quantisation-aware training"]
    assert "the budget is met" in printed
    assert "untouched: dense_2: they are outputs of the model" in printed
    assert "6 tests passed" in printed
    assert accuracy(printed.split("scores on 270 samples")[1]) > 0.8


@pytest.mark.slow
@pytest.mark.tool("cc", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_tutorial_on_a_machine(tmp_path: Path) -> None:
    shorter = {"TRAINING = 600": "TRAINING = 200", "HEALTHY = 1_800": "HEALTHY = 260"}
    shorter["epochs=40"] = "epochs=12"
    printed = follow("machine.md", tmp_path, shorter)
    calibrations = re.findall(
        r"^observed: 0 false alarms in 0.2889 h\n.*\n^bound: +fewer than 248.9 .*\n"
        r"^1 per day is not shown .*\n^found: +(\d+) of 10 events",
        printed,
        re.MULTILINE,
    )
    assert len(calibrations) == 2  # with a network and without
    assert all(int(found) >= 8 for found in calibrations)
    assert re.search(r"^pipeline equal to NumPy on 2,\d{3} frames$", printed, re.MULTILINE)
    events = re.findall(r"^ +(\d+\.\d{3}) s  1  score \d\.\d+$", printed, re.MULTILINE)
    here, there = events[: len(events) // 2], events[len(events) // 2 :]
    assert here == there  # on this computer and on the emulated core
    assert 60 < float(here[0]) < 125
    assert "C on cortex_m4 equals NumPy in 771,840 bytes" in printed
    stages = re.findall(r"^  (\w+) +[\d,]+ +[\d,]+ +2$", printed, re.MULTILINE)
    assert stages == ["push", "Frames", "LogMel", "Zscore", "Reconstruction", "Alarm"]
    assert (tmp_path / "threshold.png").stat().st_size > 10_000
    assert (tmp_path / "evening.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.tool("cc", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm", "espeak-ng")
def test_tutorial_on_a_word(tmp_path: Path) -> None:
    """With the model that is committed; tests/test_examples.py trains one."""
    folder = shutil.copytree(EXAMPLES / "keyword", tmp_path / "keyword")
    script = folder / "train.py"
    script.write_text(shortened(script.read_text(), {"TEST_STREAMS = 40": "TEST_STREAMS = 4"}))
    printed = follow("word.md", folder, {})
    defined = run("python -c 'import pipeline; print(pipeline.pipeline.to_json())'", folder)
    assert defined.partition("\n")[2].strip() == (folder / "pipeline.json").read_text().strip()
    assert re.search(
        r"^pipeline, compared +2,\d{3}  frames with NumPy, 0 mism", printed, re.MULTILINE
    )
    events = re.findall(r"^ +(\d\.\d{3}) s  (\w+)  score 0\.\d+$", printed, re.MULTILINE)
    assert events == [("1.290", "stop"), ("3.590", "start")] * 2
    heard = re.search(r"^(\d+) of (\d+) words found .* in 1\.6 minutes", printed, re.MULTILINE)
    assert heard is not None
    assert int(heard[1]) >= 0.6 * int(heard[2]) > 0


def follow(page: str, folder: Path, shorter: Mapping[str, str]) -> str:
    """What the commands of a page print, with some of its text replaced in its files."""
    printed = ""
    left = dict(shorter)
    for language, text in BLOCK.findall((PAGES / page).read_text("utf-8")):
        if language == "sh":
            printed += run(text, folder)
        elif language in ("python", "c"):
            name = NAME.match(text)
            assert name is not None, text
            (folder / name[1]).write_text(shortened(text, left), "utf-8")
        else:  # console sets up the environment that the tests run in; text is what is printed
            assert language in ("console", "text"), language
    assert not left
    return printed


def shortened(text: str, left: dict[str, str]) -> str:
    """Replace what occurs, and strike it off the list."""
    for old in [old for old in left if old in text]:
        text = text.replace(old, left.pop(old))
    return text


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
