"""Exports for this computer and an emulated core alone, of models that no board can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.models import image_net
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.bench import bench
from tflm_ext.cli import main
from tflm_ext.errors import BudgetError, ConfigError
from tflm_ext.recheck import verify_project
from tflm_ext.targets import MACHINE_BYTES, board, cores, default_board


def wide(units: int) -> bytes:
    """One Dense layer with a square matrix of weights."""
    b = ModelBuilder()
    x = b.tensor((1, units), scale=0.1)
    weights = np.random.default_rng(0).integers(-99, 99, (units, units)).astype(np.int8)
    y = b.tensor((1, units), scale=3.0)
    options = schema.FullyConnectedOptionsT()
    b.operator("FULLY_CONNECTED", [x, b.constant(weights, scale=0.01), -1], [y], options)
    return b.finish([x], [y])


@pytest.mark.slow
@pytest.mark.tool("cc", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_a_model_that_is_too_large_for_the_board(tmp_path: Path) -> None:
    model, folder = tmp_path / "net.tflite", tmp_path / "net"
    model.write_bytes(wide(1000))
    with pytest.raises(BudgetError) as caught:
        export(model, folder, progress=False)
    assert "bytes of flash; the Arduino Nano 33 BLE Sense leaves" in caught.value.problem
    assert "or pass board=None (--board none)" in caught.value.hint
    result = export(model, folder, board=None, progress=False)
    assert result.test("cortex_m4").passed == 6
    assert bench(folder).milliseconds is None
    assert verify_project(folder).target == "host"
    ini = (folder / "platformio.ini").read_text("utf-8")
    assert [line for line in ini.splitlines() if line.startswith("[env:")] == [
        "[env:native]",
        "[env:cortex_m4]",
    ]
    assert not (folder / "arduino").exists()
    readme = (folder / "README.md").read_text("utf-8")
    assert "Arduino" not in readme
    assert "--board cortex-m4" in readme


@pytest.mark.parametrize("name", [core.name for core in cores()])
def test_each_core_has_a_machine(name: str, tmp_path: Path) -> None:
    model, folder = tmp_path / "net.tflite", tmp_path / "net"
    model.write_bytes(image_net())
    assert main(["export", str(model), "-o", str(folder), "--board", name, "--quiet"]) == 0
    linker = next(folder.glob("platforms/*/linker.ld")).read_text("utf-8")
    assert f"LENGTH = {MACHINE_BYTES}" in linker
    assert "Arduino" not in linker and "board's" not in linker


def test_none_is_the_core_of_the_default_board() -> None:
    found = board(None)
    assert found == board("none") == board(default_board().core.name)
    assert found.emulated_only and not default_board().emulated_only


def test_a_model_that_is_too_large_for_the_machine(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(wide(2100))
    with pytest.raises(BudgetError) as caught:
        export(tmp_path / "net.tflite", tmp_path / "net", board=None, progress=False)
    assert "the emulated Cortex-M4 has 4,194,304" in caught.value.problem
    assert "board" not in caught.value.hint


def test_the_interpreter_needs_its_sources(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(image_net())
    with pytest.raises(ConfigError) as caught:
        export(tmp_path / "net.tflite", tmp_path / "net", board=None, runtime="tflm")
    assert "--tflm-source" in caught.value.hint
