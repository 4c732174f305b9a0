"""The files of src/: what they say, that they compile, that the self-test can fail."""

from __future__ import annotations

import dataclasses
import itertools
import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware.sample import (
    NASTY,
    host_program,
    sample_facts,
    sample_firmware,
    sample_project,
    write,
)
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.project.firmware import GOLDEN_BYTES

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wcast-align"]
WARNINGS += ["-Wundef", "-Wdouble-promotion", "-Werror"]


def outcome(program: Path) -> subprocess.CompletedProcess[str]:
    """The program without any command."""
    return subprocess.run(
        [program], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_files_are_the_same_every_time() -> None:
    assert sample_firmware(sample_facts()) == sample_firmware(sample_facts())
    paths = [file.path for file in sample_firmware(sample_facts())]
    assert paths == ["src/main.cpp", "src/protocol.h", "src/golden.h"]


def test_untrusted_text_stays_out_of_the_source() -> None:
    facts = dataclasses.replace(sample_facts(), command='x */ int y; /* "\n#error ??/')
    for file in sample_firmware(facts):
        text = file.content.decode("ascii")
        assert "int y" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert all(label not in text for label in NASTY)
        assert "\n#error" not in text
        assert "??" not in text
        assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(("size", "count"), [(10, 7), (4096, 7), (6000, 5), (100_000, 1)])
def test_golden_vectors_do_not_fill_the_flash(size: int, count: int) -> None:
    header = sample_firmware(sample_facts(inputs=((size,),), vectors=7))[2].content.decode()
    assert f"#define DIGITS_GOLDEN_COUNT {count}\n" in header
    assert count == 1 or count * size <= GOLDEN_BYTES


def test_golden_header_holds_the_vectors() -> None:
    facts = sample_facts(inputs=((3,), (2,)), vectors=2)
    header = sample_firmware(facts)[2].content.decode()
    table = header[header.index("golden_input1[") :].partition("};")[0]
    rows = re.findall(r"\{\n([-\d, \n]+)\}", table)
    values = [[int(v) % 256 for v in row.replace("\n", "").split(",") if v.strip()] for row in rows]
    assert [bytes(row) for row in values] == [vector.inputs[1] for vector in facts.golden]


def _compilers() -> list[object]:
    arm = "-mcpu=cortex-m4 -mthumb -mfloat-abi=softfp -mfpu=fpv4-sp-d16 -Os -funsigned-char"
    return [
        pytest.param(*values, marks=pytest.mark.tool(values[0]), id=" ".join(values[:2]))
        for values in [
            ("gcc", "-std=c99", ""),
            ("clang", "-std=c99", ""),
            ("arm-none-eabi-gcc", "-std=gnu11", arm),
            ("g++", "-std=c++14", ""),
            ("g++", "-std=c++20", ""),
            ("clang++", "-std=c++14", ""),
            ("arm-none-eabi-g++", "-std=gnu++14", arm + " -fno-exceptions -fno-rtti"),
        ]
    ]


@pytest.mark.parametrize(("compiler", "standard", "flags"), _compilers())
def test_compiles_without_a_warning(
    compiler: str, standard: str, flags: str, tmp_path: Path
) -> None:
    facts = sample_facts(inputs=((4,), (2, 2)), outputs=((3,), (1,)))
    write(sample_project(facts), tmp_path)
    (tmp_path / "src/protocol.c").write_text('#include "protocol.h"\n#include "golden.h"\n')
    source = "main.cpp" if "++" in compiler else "protocol.c"
    command = [compiler, standard, *flags.split(), *WARNINGS, "-Ilib/Digits/src", "-c"]
    subprocess.run([*command, f"src/{source}", "-o", "out.o"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("name", ["protocol", "golden", "context", "run", "main_"])
@pytest.mark.tool("gcc", "g++")
def test_a_model_may_have_our_own_names(name: str, tmp_path: Path) -> None:
    program = host_program(sample_facts(name), tmp_path)
    result = outcome(program)
    assert re.fullmatch(
        rf"# {name}: 3 of 3 golden vectors passed, \d+ microseconds per inference\n", result.stdout
    )
    assert result.returncode == 0


def _flip(facts: ModelFacts, vector: int, output: int, byte: int, bit: int) -> ModelFacts:
    golden = list(facts.golden)
    outputs = [bytearray(data) for data in golden[vector].outputs]
    outputs[output][byte] ^= 1 << bit
    golden[vector] = GoldenVector(golden[vector].inputs, tuple(map(bytes, outputs)))
    return dataclasses.replace(facts, golden=tuple(golden))


@pytest.mark.tool("gcc", "g++")
def test_one_wrong_bit_fails_the_selftest(tmp_path: Path) -> None:
    facts = sample_facts(outputs=((4,), (2,)))
    for index, (output, byte, bit) in enumerate([(0, 0, 0), (0, 3, 7), (1, 1, 4)]):
        program = host_program(_flip(facts, 2, output, byte, bit), tmp_path / str(index))
        result = outcome(program)
        assert result.stdout.startswith("# digits: 2 of 3 golden vectors passed")
        assert result.returncode == 1


def test_every_tensor_count_has_its_lines() -> None:
    for inputs, outputs in itertools.product((1, 3), repeat=2):
        main = sample_firmware(sample_facts(inputs=((2,),) * inputs, outputs=((3,),) * outputs))[0]
        text = main.content.decode()
        assert text.count("memcpy(") == inputs
        assert text.count("memcmp(") == outputs
