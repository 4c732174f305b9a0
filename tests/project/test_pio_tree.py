"""The PlatformIO tree as text, and whether strict compilers accept its C."""

from __future__ import annotations

import configparser
import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.facts import int8_port
from tests.project.conftest import HEADER
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.project.platformio_tree import emulator_files, platformio_files
from tflm_ext.runtimes.compiled import compiled_parts
from tflm_ext.targets import board

BOARD = board("nano33ble_sense")
STRICT = (
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef"),
    "-Werror",
)


def write(folder: Path, facts: ModelFacts) -> Path:
    for file in platformio_files(facts, BOARD, compiled_parts(facts)):
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
    return folder


def compile_only(*command: str | Path) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_tree_is_complete(facts: ModelFacts) -> None:
    paths = [file.path for file in platformio_files(facts, BOARD, compiled_parts(facts))]
    platform = emulator_files(BOARD)[0].path.split("/")[1]
    assert paths == [
        "platformio.ini",
        ".gitignore",
        f"platforms/{platform}/platform.json",
        f"platforms/{platform}/boards/mps2_an386.json",
        f"platforms/{platform}/builder/main.py",
        f"platforms/{platform}/linker.ld",
        f"platforms/{platform}/startup.c",
        "test/test_model/test_model.cpp",
        "test/test_model/golden_vectors.h",
        "test/test_model/golden_vectors.c",
        "test/test_custom_runner.py",
        "test/sanitize.py",
        "test/unity/unity.h",
        "test/unity/unity.c",
    ]


def test_what_is_filled_in_is_as_committed(
    facts: ModelFacts, golden: Callable[[str, Mapping[str, bytes]], None]
) -> None:
    copied = {"startup.c", "platform.json", "unity.c", "unity.h", "sanitize.py"}
    files = {f.path: f.content for f in platformio_files(facts, BOARD, compiled_parts(facts))}
    golden(
        "platformio_sample",
        {
            path: content
            for path, content in files.items()
            if Path(path).name not in copied | {"test_custom_runner.py", ".gitignore"}
        },
    )


def test_platformio_ini(facts: ModelFacts, tmp_path: Path) -> None:
    ini = configparser.RawConfigParser()
    ini.read(write(tmp_path, facts) / "platformio.ini")
    assert ini["platformio"]["default_envs"] == "native"
    assert [s for s in ini.sections() if s.startswith("env:")] == [
        "env:native",
        "env:cortex_m4",
        "env:nano33ble",
    ]
    assert dict(ini["env:nano33ble"]) == {
        "platform": "nordicnrf52",
        "board": "nano33ble",
        "framework": "arduino",
    }
    folder = ini["env:cortex_m4"]["platform"].removeprefix("symlink://")
    assert (tmp_path / folder / "platform.json").is_file()


def test_the_folder_of_the_emulated_core_is_named_by_its_content() -> None:
    def folder(**changes: int) -> str:
        return emulator_files(dataclasses.replace(BOARD, **changes))[0].path.split("/")[1]

    assert folder() == folder()
    assert folder() != folder(stack_bytes=8192)
    assert len(folder()) == len("tflm_ext_cortex_m4_") + 8


def test_the_linker_script_has_what_the_board_leaves(facts: ModelFacts) -> None:
    script = next(f for f in emulator_files(BOARD) if f.path.endswith("linker.ld"))
    text = script.content.decode()
    assert f"FLASH (rx)  : ORIGIN = 0x00000000, LENGTH = {983_040 - 98_304}\n" in text
    assert f"RAM   (rwx) : ORIGIN = 0x20000000 + 20480, LENGTH = {262_144 - 65_536}\n" in text


@pytest.mark.tool("arm-none-eabi-gcc")
def test_the_startup_code_compiles_without_a_warning(facts: ModelFacts, tmp_path: Path) -> None:
    startup = next(write(tmp_path, facts).glob("platforms/*/startup.c"))
    flags = [*BOARD.machine_flags, *BOARD.common_flags, *BOARD.c_flags]
    compile_only("arm-none-eabi-gcc", *flags, *STRICT, "-c", startup, "-o", tmp_path / "o")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_harness_compiles_without_a_warning(
    compiler: str, facts: ModelFacts, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.applymarker(pytest.mark.tool(compiler))
    unity = write(tmp_path, facts) / "test/unity/unity.c"
    compile_only(compiler, "-std=c99", *STRICT, "-c", unity, "-o", tmp_path / "o")


@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++")
def test_several_inputs_and_outputs_compile_for_the_board(
    facts: ModelFacts, tmp_path: Path
) -> None:
    port = int8_port("y", (2, 1), 1.0, 0)
    several = dataclasses.replace(
        facts,
        inputs=(*facts.inputs, port),
        outputs=(port, *facts.outputs, port),
        golden=(GoldenVector((bytes(6), b"\x80\x7f"), (b"ab", bytes(6), b"cd")),),
    )
    suite = write(tmp_path, several) / "test/test_model"
    (tmp_path / "Sample.h").write_text(HEADER)
    flags = [*BOARD.machine_flags, *BOARD.common_flags, *STRICT]
    compile_only(
        *("arm-none-eabi-gcc", *flags, *BOARD.c_flags),
        *("-c", suite / "golden_vectors.c", "-o", tmp_path / "o"),
    )
    compile_only(
        *("arm-none-eabi-g++", *flags, *BOARD.cxx_flags, "-Werror=c++17-extensions"),
        *("-I", tmp_path, "-I", tmp_path / "test/unity"),
        *("-c", suite / "test_model.cpp", "-o", tmp_path / "o"),
    )
    table = (suite / "golden_vectors.c").read_text()
    assert "golden_input_sizes[GOLDEN_INPUTS] = { 6, 2 };" in table
    assert "{ { vector0_input0, vector0_input1 }," in table


@pytest.mark.tool("arm-none-eabi-g++")
def test_the_tests_compile_as_a_sketch(facts: ModelFacts, tmp_path: Path) -> None:
    suite = write(tmp_path, facts) / "test/test_model"
    (tmp_path / "Sample.h").write_text(HEADER)
    (tmp_path / "Arduino.h").write_text(
        """\
extern "C" void setup(void);
extern "C" void loop(void);
unsigned long millis(void);
struct Port {
    void begin(unsigned long baud);
    operator bool();
};
extern Port Serial;
"""
    )
    flags = [*BOARD.machine_flags, *BOARD.common_flags, *STRICT, "-DARDUINO=10819"]
    compile_only(
        *("arm-none-eabi-g++", *flags, *BOARD.cxx_flags, "-I", tmp_path),
        *("-I", tmp_path / "test/unity", "-c", suite / "test_model.cpp", "-o", tmp_path / "o"),
    )
