"""The Arduino library: the rules for its .zip, its texts, and the board's own compiler flags."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.firmware.sample import NASTY, sample_facts, sample_library, sample_project, write
from tflm_ext.device import Device, SelfTest
from tflm_ext.device.transports import ProgramStream
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.arduino import _zip, arduino_files
from tflm_ext.runtimes.compiled import compiled_parts
from tflm_ext.targets import board
from tflm_ext.version import PAGE

HARDWARE = ROOT / "tests/arduino/hardware"
CORE = HARDWARE / "tflm_ext/emulated/cores/m4"
BOARD = board("nano33ble_sense")
MACHINE = [*BOARD.machine_flags, *BOARD.common_flags, "-Wall", "-Wextra", "-Werror"]
C_FLAGS = [*MACHINE, *BOARD.c_flags]
CXX_FLAGS = [*MACHINE, *BOARD.cxx_flags, "-Werror=c++17-extensions"]
CATEGORIES = [
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
]
QEMU = ["qemu-system-arm", "-machine", "mps2-an386", "-display", "none", "-monitor", "none"]
QEMU += ["-serial", "stdio", "-kernel"]


def library(facts: ModelFacts) -> dict[str, bytes]:
    files = arduino_files(facts, sample_library(facts), compiled_parts(facts))
    return {file.path: file.content for file in files}


def archive(facts: ModelFacts) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(library(facts)[f"arduino/{facts.library}.zip"]))


def properties(facts: ModelFacts) -> dict[str, str]:
    lines = library(facts)[f"lib/{facts.library}/library.properties"].decode("ascii").splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def test_files() -> None:
    assert sorted(library(sample_facts())) == [
        "arduino/Digits.zip",
        "lib/Digits/CMakeLists.txt",
        "lib/Digits/LICENSE",
        "lib/Digits/README.md",
        "lib/Digits/examples/Digits/Digits.ino",
        "lib/Digits/examples/Digits/sample.h",
        "lib/Digits/idf_component.yml",
        "lib/Digits/keywords.txt",
        "lib/Digits/library.json",
        "lib/Digits/library.properties",
        "lib/Digits/src/Digits.h",
        "lib/Digits/src/digits_model.c",
        "lib/Digits/src/digits_model.h",
        "lib/Digits/zephyr/Kconfig",
        "lib/Digits/zephyr/module.yml",
    ]


def test_zip_holds_the_library_in_one_folder() -> None:
    files = library(sample_facts())
    with archive(sample_facts()) as zipped:
        assert zipped.testzip() is None
        content = {f"lib/{name}": zipped.read(name) for name in zipped.namelist()}
    assert content == {path: data for path, data in files.items() if path.startswith("lib/")}
    assert {path.split("/")[1] for path in content} == {"Digits"}


def test_zip_is_the_same_on_every_machine() -> None:
    """Its bytes depend on nothing but the files: not on order, time, umask or zlib."""
    facts = sample_facts()
    sources = (RenderedFile("b.c", b"b"), RenderedFile("digits_model.h", b"a"))
    zips = [
        arduino_files(facts, order, compiled_parts(facts))[-1].content
        for order in (sources, sources[::-1])
    ]
    assert zips[0] == zips[1]
    with archive(facts) as zipped:
        entries = zipped.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert (entry.create_system, entry.external_attr >> 16) == (3, 0o100644)


def test_zip_has_these_bytes() -> None:
    """They are committed with the example projects, whatever Python and zlib made them."""
    files = (RenderedFile("lib/Digits/src/b.c", b"b" * 99), RenderedFile("lib/Digits/a", b"a"))
    digest = "e6d5c723748f1d4dfeb78c0ea073cbb51cee51fea671aff6d4bfdc90b8902e95"
    assert hashlib.sha256(_zip(files)).hexdigest() == digest


@pytest.mark.parametrize("name", ["digits", "a", "kws_2", "x" * 40])
def test_properties_follow_arduinos_rules(name: str) -> None:
    found = properties(sample_facts(name))
    for key in ("name", "version", "author", "maintainer", "sentence", "paragraph"):
        assert found[key].strip()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,62}", found["name"])
    assert not found["name"].lower().startswith("arduino")
    assert found["version"] == "0.0.0"
    assert found["category"] in CATEGORIES
    assert found["url"] == PAGE
    assert found["architectures"] == "*"
    assert f"lib/{found['name']}/src/{found['includes']}" in library(sample_facts(name))


def test_the_version_and_the_page_are_those_of_the_model() -> None:
    facts = dataclasses.replace(sample_facts(), model_version="2.0.1-rc.1", url="https://a.b/c?d")
    files = library(facts)
    assert properties(facts)["version"] == "2.0.1-rc.1"
    assert properties(facts)["url"] == "https://a.b/c?d"
    assert json.loads(files["lib/Digits/library.json"])["version"] == "2.0.1-rc.1"
    assert b"project(Digits VERSION 2.0.1 LANGUAGES C)" in files["lib/Digits/CMakeLists.txt"]
    assert b'version: "2.0.1-rc.1"' in files["lib/Digits/idf_component.yml"]


def test_platformio_manifest() -> None:
    manifest = json.loads(library(sample_facts())["lib/Digits/library.json"])
    assert (manifest["name"], manifest["headers"]) == ("Digits", "Digits.h")
    assert manifest["frameworks"] == manifest["platforms"] == "*"
    assert "build" not in manifest, "PlatformIO then takes src/ without any flags"


def test_untrusted_text_is_in_no_text_of_the_library() -> None:
    facts = dataclasses.replace(sample_facts(), version="1.0.0\nname=evil <b>", command="*/ x")
    for path, content in library(facts).items():
        if not path.endswith(("digits_model.h", ".zip")):
            text = content.decode("ascii")
            assert all(label not in text for label in NASTY), path
            assert "\nname=evil" not in text
            assert "<b>" not in text


def test_includes_inside_the_library_are_relative() -> None:
    """Arduino has src/ as the only include path."""
    for path, content in library(sample_facts()).items():
        if "/src/" in path:
            for name in re.findall(r'#include "([^"]+)"', content.decode("ascii")):
                assert f"{path.rpartition('/')[0]}/{name}" in library(sample_facts())


def test_licence_is_0bsd() -> None:
    text = " ".join(library(sample_facts())["lib/Digits/LICENSE"].decode("ascii").split())
    assert "Permission to use, copy, modify, and/or distribute this software for any" in text
    for path, content in library(sample_facts()).items():
        if path.endswith((".c", ".h", ".ino")):
            assert content.startswith(b"/* SPDX-License-Identifier: 0BSD */\n"), path


def example(facts: ModelFacts) -> str:
    return library(facts)[
        f"lib/{facts.library}/examples/{facts.library}/{facts.library}.ino"
    ].decode()


@pytest.mark.parametrize(("labels", "labelled"), [(NASTY, True), ((), False), (("a", "b"), False)])
def test_labels_are_used_where_there_is_one_for_every_output(
    labels: tuple[str, ...], labelled: bool
) -> None:
    assert ("DIGITS_LABELS" in example(sample_facts(labels=labels))) is labelled


def test_two_labels_of_one_probability() -> None:
    facts = sample_facts(outputs=((1, 1),), labels=("no", "yes"))
    text = example(facts)
    assert "Serial.print(labels[best]);" in text
    assert "digits_dequantize_output0(output[0]), 3" in text, "the probability of the second"
    assert facts.outputs[0].classes == 2


def compile_for_board(facts: ModelFacts, folder: Path, sources: list[str]) -> Path:
    """Sources of the project with the core of the tests, linked for the emulated core."""
    write(sample_project(facts), folder)
    sources = [*sources, *(str(path) for path in folder.glob("lib/*/src/*.c"))]
    sources += [str(path) for path in sorted(CORE.glob("*.c*"))]
    objects = []
    for source in sources:
        target = f"{len(objects)}.o"
        compiler = ["gcc", *C_FLAGS] if source.endswith(".c") else ["g++", *CXX_FLAGS]
        compiler[0] = f"arm-none-eabi-{compiler[0]}"
        if source.endswith(".ino"):
            compiler += ["-x", "c++", "-include", "Arduino.h"]
        include = [f"-I{CORE}", f"-Ilib/{facts.library}/src", "-DARDUINO=10819"]
        subprocess.run([*compiler, *include, "-c", source, "-o", target], cwd=folder, check=True)
        objects.append(target)
    link = ["arm-none-eabi-g++", *CXX_FLAGS, "-nostartfiles", "--specs=nano.specs"]
    link += ["-Wl,--gc-sections,--fatal-warnings", "-T", str(CORE / "linker.ld")]
    subprocess.run([*link, *objects, "-o", "program.elf"], cwd=folder, check=True)
    return folder / "program.elf"


def first_lines(program: Path, count: int) -> list[str]:
    """What the program prints on its emulated serial port."""
    stream = ProgramStream([*QEMU, str(program)])
    text = b""
    try:
        while text.count(b"\r\n") < count:
            received = stream.read(20)
            assert received, f"nothing more for 20 s after {text!r}"
            text += received
    finally:
        stream.close()
    return text.decode().split("\r\n")[:count]


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_firmware_of_the_board_speaks_the_protocol(tmp_path: Path) -> None:
    """setup() and loop(), compiled as for the board, over the UART of the emulated core."""
    facts = sample_facts(inputs=((1, 20, 30), (5,)), outputs=((1, 8), (300,)))
    program = compile_for_board(facts, tmp_path, ["src/main.cpp"])
    with Device.in_program([*QEMU, str(program)]) as device:
        device.expect("digits", facts.sha256)
        assert device.info().output_bytes == (8, 300)
        assert device.selftest() == SelfTest(3, 3)
        for run, vector in enumerate(facts.golden):
            device.reset()
            assert device.run(vector.inputs)[0] == vector.outputs, run
    assert first_lines(program, 1) == ["LED on"]


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_firmware_shows_a_failed_selftest(tmp_path: Path) -> None:
    facts = sample_facts()
    wrong = dataclasses.replace(facts.golden[1], outputs=(bytes(8),))
    facts = dataclasses.replace(facts, golden=(facts.golden[0], wrong))
    program = compile_for_board(facts, tmp_path, ["src/main.cpp"])
    assert first_lines(program, 1) == ["LED off"]
    with Device.in_program([*QEMU, str(program)]) as device:
        assert device.selftest() == SelfTest(1, 2)


@pytest.mark.slow
@pytest.mark.tool("arduino-builder", "arduino-ctags", "arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("labels", [NASTY, ()])
def test_example_from_the_zip_runs(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """As the Arduino IDE does it: unpack the .zip, open the example, compile it."""
    facts = sample_facts(labels=labels, outputs=((1, 8), (3,)))
    with archive(facts) as zipped:
        zipped.extractall(tmp_path / "libraries")
    (tmp_path / "build").mkdir()
    subprocess.run(
        [
            "arduino-builder",
            "-compile",
            *("-hardware", "/usr/share/arduino-builder", "-hardware", str(HARDWARE)),
            *("-tools", "/usr/bin", "-libraries", str(tmp_path / "libraries")),
            *("-fqbn", "tflm_ext:emulated:m4", "-build-path", str(tmp_path / "build")),
            *("-prefs", f"compiler.c.flags={' '.join(C_FLAGS)}"),
            *("-prefs", f"compiler.cpp.flags={' '.join(CXX_FLAGS)}"),
            *("-warnings", "all"),
            str(tmp_path / "libraries/Digits/examples/Digits/Digits.ino"),
        ],
        check=True,
        cwd=tmp_path,
    )
    lines = first_lines(tmp_path / "build/Digits.ino.elf", 3)
    output = [value ^ 128 for value in facts.golden[0].outputs[0]]  # sorted as int8 is
    best = max(range(8), key=output.__getitem__)
    shown = labels[best] if labels else f"class {best}"
    second = [value ^ 128 for value in facts.golden[0].outputs[1]]
    other = max(range(3), key=second.__getitem__)
    assert lines[0] == f"output 0: {shown} ({output[best] / 256:.3f})"
    assert lines[1] == f"output 1: class {other} ({second[other] / 256:.3f})"
    assert re.fullmatch(r"in \d+ microseconds, same as TensorFlow Lite Micro", lines[2])


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_example_notices_a_wrong_output(tmp_path: Path) -> None:
    facts = sample_facts(labels=())
    output = bytes([facts.golden[0].outputs[0][0] ^ 1]) + facts.golden[0].outputs[0][1:]
    wrong = dataclasses.replace(facts.golden[0], outputs=(output,))
    facts = dataclasses.replace(facts, golden=(wrong,))
    program = compile_for_board(facts, tmp_path, ["lib/Digits/examples/Digits/Digits.ino"])
    assert first_lines(program, 1)[0].endswith(
        "microseconds, NOT the same as TensorFlow Lite Micro"
    )


@pytest.mark.tool("cppcheck", "gcc", "g++")
def test_cppcheck_finds_nothing(tmp_path: Path) -> None:
    write(sample_project(sample_facts()), tmp_path)
    shutil.copy(tmp_path / "lib/Digits/examples/Digits/Digits.ino", tmp_path / "example.cpp")
    checks = ["--enable=warning,performance,portability", "--error-exitcode=1", "--quiet"]
    include = ["-Ilib/Digits/src", "-Ilib/Digits/examples/Digits", f"-I{CORE}"]
    command = ["cppcheck", *checks, "--inline-suppr", *include]
    for define in ("-DARDUINO=10819", "-UARDUINO"):
        subprocess.run([*command, define, "src/main.cpp"], cwd=tmp_path, check=True)
    subprocess.run([*command, "-DARDUINO=10819", "example.cpp"], cwd=tmp_path, check=True)
