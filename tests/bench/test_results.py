"""No figure of benchmarks/results.csv gets worse unseen."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from benchmarks.bench import FLAGS, Row, models, read
from tests.test_models import FOLDER
from tflm_ext.bench import bench
from tflm_ext.bench.emulator import compiler_name

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]
ROWS = [row for row in read() if row["optimize"] == "balanced"]


@pytest.mark.parametrize("row", ROWS, ids=[row["model"] for row in ROWS])
def test_no_figure_grows(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFLM_EXT_MODELS", os.environ.get("TFLM_EXT_MODELS", str(FOLDER)))
    if row["compiler"] != compiler_name(FLAGS):
        pytest.skip(f"the table was made with {row['compiler']}")
    path = next((path for path in models() if sha256(path) == row["sha256"]), None)
    if path is None:
        pytest.skip(f"{row['model']} is not here; set TFLM_EXT_MODELS to its folder")
    found = bench(path, flags=FLAGS)
    flash = found.weight_bytes + found.code_bytes
    assert found.instructions <= 1.01 * int(row["instructions"])
    assert found.cycles is not None, found.cycles_missing
    assert found.cycles <= 1.01 * int(row["cycles"])
    assert found.context_bytes <= 1.01 * int(row["context_bytes"])
    assert found.stack_bytes <= 1.01 * int(row["stack_bytes"])
    assert flash <= 1.01 * (int(row["weight_bytes"]) + int(row["code_bytes"]))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
