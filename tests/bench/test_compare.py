"""tflm-ext compare: figures from the emulated core, without and with a tree of TFLM."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.models import image_net, two_headed_net
from tests.report.test_schema import VALIDATOR
from tflm_ext.api import inspect_model
from tflm_ext.bench import compare, emulator
from tflm_ext.bench.cycles import Interval
from tflm_ext.bench.library import tflm_library
from tflm_ext.cli import main
from tflm_ext.runtimes.tflm.tree import read_tree
from tflm_ext.targets import board

TOOLS = pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TFLM_EXT_TFLM_SOURCE", raising=False)
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net())
    return path


def tree(folder: Path, source: str) -> Path:
    """What is where TFLM's Arduino flavour has it, with one file to compile."""
    for name in (
        "TensorFlowLite.h",
        "tensorflow/lite/micro/micro_interpreter.h",
        "tensorflow/lite/kernels/internal/common.h",
        "tensorflow/lite/micro/micro_string.h",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "tensorflow/lite/micro/some.cpp").write_text(source)
    return folder


@TOOLS
def test_figures_of_the_compiled_runtime(model: Path) -> None:
    found = compare(model)
    again = compare(model)
    assert found.compiled.instructions == again.compiled.instructions
    assert found.compiled.instructions % 40 == 0
    assert found.macs < found.compiled.instructions < 1000 * found.macs
    assert 32 <= found.compiled.stack_bytes < 1024
    report = inspect_model(model)
    assert found.compiled.context_bytes == report.ram_bytes
    assert report.weight_bytes < found.compiled.flash_bytes < report.weight_bytes + 8192
    assert found.tflm is None
    assert "--tflm-source" in found.missing and "--tflm-source" in str(found)
    assert f"its arena takes at most {found.arena_bound_bytes:,} bytes" in str(found)
    faster = compare(model, flags=["-O2"])
    assert faster.compiler.endswith("-O2") and found.compiler.endswith("-Os")


@TOOLS
def test_a_model_with_two_inputs(tmp_path: Path) -> None:
    path = tmp_path / "heads.tflite"
    path.write_bytes(two_headed_net())
    assert len(compare(path).compiled.outputs) == 2


@TOOLS
def test_the_command(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(found)
    assert found["compare"]["tflm"] is None
    assert main(["compare", str(model)]) == 0
    said = capsys.readouterr().out
    assert f"{found['compare']['compiled']['instructions']:,}" in said


@TOOLS
@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ((), "does not contain TensorFlow Lite Micro."),
        (("tensorflow/lite/micro/micro_interpreter.h",), "flatbuffers"),
        (
            (
                *("TensorFlowLite.h", "tensorflow/lite/micro/micro_interpreter.h"),
                "tensorflow/lite/kernels/internal/common.h",
            ),
            "is incomplete: it lacks tensorflow/lite/schema/schema_generated.h, ",
        ),
    ],
    ids=["empty", "tflite-micro", "Arduino library"],
)
def test_an_incomplete_tree_is_named_before_anything_is_compiled(
    files: tuple[str, ...],
    problem: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(importlib.import_module("tflm_ext.bench.compare"), "measure", never)
    (tmp_path / "tflm").mkdir()
    for name in files:
        (tmp_path / "tflm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tflm" / name).touch()
    assert main(["compare", str(model), "--tflm-source", str(tmp_path / "tflm")]) == 2
    said = capsys.readouterr()
    assert problem in said.err and said.out == ""


@TOOLS
def test_without_a_tree_that_is_said_first(model: Path) -> None:
    said: list[str] = []
    compare(model, progress=said.append)
    assert said[0].startswith("measuring runtime compiled only: there are no sources")


@TOOLS
def test_an_output_that_differs_is_an_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = emulator.measurement_inputs
    monkeypatch.setattr(
        importlib.import_module("tflm_ext.bench.compare"),
        "measurement_inputs",
        lambda facts: tuple(np.zeros_like(values) for values in real(facts)),
    )
    with pytest.raises(tflm_ext.VerificationError, match=r"Runtime compiled: .* values"):
        compare(model)


def test_an_emulator_that_does_not_count_is_an_error() -> None:
    facts: Any = None  # not read before the check
    with pytest.raises(tflm_ext.ToolError, match="counts 2,000,200 instructions in a loop of 2,"):
        emulator._read(facts, "loop 2000200\ninstructions 80\nstack 8\ncontext 4\n", 0, None, "")
    intervals = [Interval(2_000_200, 0), Interval(9, 9), Interval(80, 80)]
    with pytest.raises(tflm_ext.ToolError, match="counts 2,000,200 instructions"):
        emulator._read(
            facts, "loop 2000000\ninstructions 80\nstack 8\ncontext 4\n", 0, intervals, ""
        )


def test_missing_programs_are_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(model.parent))
    with pytest.raises(tflm_ext.ToolError, match="qemu-system-arm could not be found"):
        compare(model)


@TOOLS
def test_a_tree_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = read_tree(tree(tmp_path / "tflm", 'extern "C" int f(void) { return 1; }\n'))
    said: list[str] = []
    nano = board("nano33ble_sense")
    first = tflm_library(found, nano, (), said.append)
    assert any("1 of 2" in text for text in said)
    said.clear()
    assert tflm_library(found, nano, (), said.append) == first
    assert not said
    tree(tmp_path / "tflm", 'extern "C" int f(void) { return 1234; }\n')
    assert tflm_library(found, nano, (), said.append) != first
    tree(tmp_path / "tflm", "nonsense\n")
    with pytest.raises(tflm_ext.ToolError, match=r"error: .*nonsense"):
        tflm_library(found, nano, (), said.append)
    assert len(list((tmp_path / "cache").rglob("*.a"))) == 2
    assert not list((tmp_path / "cache").rglob("*.o"))


@TOOLS
@pytest.mark.slow
@pytest.mark.skipif("TFLM_EXT_TFLM_SOURCE" not in os.environ, reason="no tree of TFLM is named")
@pytest.mark.parametrize("net", [image_net, two_headed_net], ids=["image_net", "two_headed_net"])
def test_the_arena_bound_holds_on_the_emulated_core(
    tmp_path: Path, net: Callable[[], bytes]
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(net())
    found = compare(path)
    assert found.tflm is not None, found.missing
    assert found.tflm.arena_bytes is not None and found.arena_bound_bytes is not None
    assert 0 < found.tflm.arena_bytes <= found.arena_bound_bytes
    assert "all outputs equal" in str(found)
