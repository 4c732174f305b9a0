"""The proof can fail: after one wrong bit, wrong index or endless loop, verify exits with 6."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.facts import int8_port
from tests.models import image_net
from tflm_ext.cli import main
from tflm_ext.errors import ToolError, VerificationError
from tflm_ext.recheck import explain, verify_project
from tflm_ext.verify import host, tflm
from tflm_ext.verify.golden import read_golden

pytestmark = pytest.mark.tool("cc")

C_FILES = Path("lib/Net/src")
GOLDEN_FILES = (
    "test/test_model/golden_vectors.c",
    "src/golden.h",
    "lib/Net/examples/Net/sample.h",
)
PORTS = (int8_port("input", (72,), 1.0, 0), int8_port("output", (3,), 1.0, 0))
AGAIN = "Restore the exported file, or export the model again with --overwrite."
STOPPED = "Do not use these files. Export the model again; if the error persists, report this bug."


def edit(path: Path, pattern: str, replace: str | Callable[[re.Match[str]], str]) -> None:
    """Replace the only match of a pattern."""
    text = path.read_text("utf-8")
    changed, count = re.subn(pattern, replace, text, count=1, flags=re.DOTALL)
    assert count == 1, f"{pattern} is not in {path}"
    assert changed != text
    path.write_text(changed, "utf-8")


def flip(path: Path, table: str, at: int, mask: int) -> None:
    """Flip bits of one value in a C table."""

    def turned(match: re.Match[str]) -> str:
        numbers = re.findall(r"-?\d+", match[2])
        width = "<i" if "int32_t" in match[1] else "<b"
        (bits,) = struct.unpack(width.upper(), struct.pack(width, int(numbers[at])))
        (value,) = struct.unpack(width, struct.pack(width.upper(), bits ^ mask))
        numbers[at] = str(value)
        return f"{match[1]}{', '.join(numbers)}, {match[3]}"

    edit(path, rf"(const int\d+_t \w*{table}(?:\[\w+\])+ = \{{)([^;]*)(\}};)", turned)


# Weights are words of int16 or int8, followed by two numbers per filter: bias with shift, and the
# multiplier. Each flipped bit matters: an upper bit of a weight, the bit below the sign of a
# number, the third bit of a shift.
@pytest.mark.parametrize(
    ("table", "at", "mask", "operator"),
    [
        ("op00_weights", 0, 1 << 14, "0 CONV_2D"),
        ("op00_weights", 23, 1 << 6, "0 CONV_2D"),
        ("op00_weights", 8, 1 << 29, "0 CONV_2D"),
        ("op00_weights", 8, 1 << 2, "0 CONV_2D"),
        ("op00_weights", 9, 1 << 29, "0 CONV_2D"),
        ("op01_weights", 6, 1 << 6, "1 DEPTHWISE_CONV_2D"),
        ("op01_weights", 3, 1 << 29, "1 DEPTHWISE_CONV_2D"),
        ("op01_weights", 9, 1 << 29, "1 DEPTHWISE_CONV_2D"),
        ("op01_weights", 18, 1 << 2, "1 DEPTHWISE_CONV_2D"),
        ("op04_weights", 1, 1 << 6, "4 FULLY_CONNECTED"),
        ("op04_bias", 1, 1 << 12, "4 FULLY_CONNECTED"),
        ("op05_exponentials", 0, 1 << 30, "5 SOFTMAX"),
    ],
)
def test_a_flipped_bit_of_a_table_names_operator_and_index(
    project: Path, table: str, at: int, mask: int, operator: str
) -> None:
    flip(project / C_FILES / "net_weights.c", table, at, mask)
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    error = caught.value
    assert error.exit_code == 6
    assert error.operator == operator
    assert error.index is not None
    assert error.got != error.expected
    index, kind = operator.split(" ")
    assert f"operator {index} {kind}" in error.problem
    assert f"differs from TensorFlow Lite Micro: element {error.index} on input " in error.problem
    assert error.problem.endswith(f" is {error.got} instead of {error.expected}.")


@pytest.mark.parametrize(
    ("kernel", "number", "operator"),
    [
        ("conv_2d_tile", "input_zero_point", "0 CONV_2D"),
        ("conv_2d_tile", "pad_left", "0 CONV_2D"),
        ("fully_connected", "output_zero_point", "4 FULLY_CONNECTED"),
    ],
)
def test_a_flipped_bit_of_a_call_names_operator_and_index(
    project: Path, kernel: str, number: str, operator: str
) -> None:
    edit(
        project / C_FILES / "net_model.c",
        rf"({kernel}_t op = .*?\.{number} = )(-?\d+)",
        lambda match: f"{match[1]}{int(match[2]) ^ 1}",
    )
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    assert caught.value.operator == operator
    assert caught.value.index is not None


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("path", GOLDEN_FILES)
@pytest.mark.parametrize(("port", "kind"), [("input0", "input 0"), ("output0", "output 0")])
def test_any_flipped_bit_of_a_golden_vector_names_it(
    project: Path, path: str, port: str, kind: str, bit: int
) -> None:
    vectors = read_golden((project / path).read_text("utf-8"), PORTS[:1], PORTS[1:])
    vector = 0
    flip(project / path, port, 2, 1 << bit)
    column = vectors[vector].inputs if "input" in port else vectors[vector].outputs
    right = np.frombuffer(column[0], np.int8)[2:3]
    wrong = int((right.view(np.uint8) ^ np.uint8(1 << bit)).view(np.int8)[0])
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    error = caught.value
    assert (error.index, error.expected, error.got) == (2, int(right[0]), wrong)
    assert str(error) == (
        f"{path}: golden vector {vector}, {kind}, element 2 is {wrong} instead of {right[0]}.\n"
        f"{AGAIN}"
    )


def test_without_another_copy_tflm_says_which_output_is_wrong(project: Path) -> None:
    for path in GOLDEN_FILES[1:]:
        (project / path).unlink()
    right = read_golden((project / GOLDEN_FILES[0]).read_text("utf-8"), PORTS[:1], PORTS[1:])[
        5
    ].outputs[0]
    flip(project / GOLDEN_FILES[0], "vector5_output0", 1, 1)
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    assert caught.value.index == 1
    assert caught.value.expected == np.frombuffer(right, np.int8)[1]
    assert "golden vector 5, output 0, element 1" in caught.value.problem


def test_golden_vectors_that_are_gone_or_cut_off_are_no_golden_vectors(project: Path) -> None:
    edit(project / GOLDEN_FILES[0], r"vector7_output0\[3\] = \{[^;]*\};", "vector7_output0[3];")
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    assert str(caught.value) == (
        f"{GOLDEN_FILES[0]} does not contain the golden vectors of the export.\n{AGAIN}"
    )


def test_golden_vectors_of_the_tests_that_were_removed_are_missed(project: Path) -> None:
    (project / GOLDEN_FILES[0]).unlink()
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    assert str(caught.value) == (
        f"{GOLDEN_FILES[0]} does not contain the golden vectors of the export.\n{AGAIN}"
    )


def test_fewer_golden_vectors_than_were_exported_are_missed(project: Path) -> None:
    edit(project / GOLDEN_FILES[0], r"static const int8_t vector7_input0\S* = \{[^;]*\};", "")
    edit(project / GOLDEN_FILES[0], r"static const int8_t vector7_output0\S* = \{[^;]*\};", "")
    with pytest.raises(
        VerificationError, match="does not contain the golden vectors of the export"
    ):
        verify_project(project, seed=1)


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_project_without_golden_vectors_is_none(
    project: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    report = json.loads((project / "report.json").read_text("utf-8"))
    report["verification"]["golden_sha256"] = []
    (project / "report.json").write_text(json.dumps(report), "utf-8")
    for path in GOLDEN_FILES:
        (project / path).unlink()
    assert main([command, str(project)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {project} is not a project of tflm-ext, or its report")


def test_c_that_reports_no_tensors_is_not_equal_to_anything(project: Path) -> None:
    edit(project / C_FILES / "net_model.c", r"#ifdef NET_TRACE", "#ifdef NET_TRACE_OFF")
    with pytest.raises(VerificationError) as caught:
        verify_project(project, seed=1)
    assert str(caught.value) == (
        f"The C in {project} reports none of its tensors, so nothing could be compared.\n{AGAIN}"
    )


def test_another_layout_of_the_same_numbers_is_noted_only(project: Path) -> None:
    path = project / GOLDEN_FILES[0]
    path.write_text(path.read_text("utf-8").replace(", ", ",\n"), "utf-8")
    checked = verify_project(project, seed=1)
    assert checked.edited == (GOLDEN_FILES[0],)
    assert checked.golden == 8
    assert checked.to_text().endswith(f"note: {GOLDEN_FILES[0]} has been edited since the export")


def test_another_model_is_not_the_one_that_was_exported(project: Path) -> None:
    model = project / "model" / "net.tflite"
    data = bytearray(model.read_bytes())
    data[-9] ^= 1
    model.write_bytes(data)
    with pytest.raises(VerificationError) as caught:
        verify_project(project)
    assert str(caught.value) == (
        "model/net.tflite is not the model that was exported.\n"
        "Restore the original file, or export this model again."
    )


def test_an_index_out_of_bounds_is_a_verification_error(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(
        project / C_FILES / "net_model.c",
        r"(tflm_ext_conv_2d_tile\(&op,\s+&arena)\[input\]",
        r"\1[16000]",
    )
    assert main(["verify", str(project)]) == 6
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(
        r"error: The C stopped with status 1 on this computer in operator 0 CONV_2D: "
        rf"\S*ERROR: AddressSanitizer: .+\nhint: {STOPPED}\n",
        captured.err,
    )


def test_undefined_behaviour_is_a_verification_error(project: Path) -> None:
    edit(
        project / C_FILES / "net_model.c",
        r"(    tflm_ext_fully_connected\()",
        r"    volatile int32_t most = INT32_MAX;\n    most += op.rows;\n\1",
    )
    with pytest.raises(VerificationError) as caught:
        verify_project(project)
    assert "signed integer overflow" in caught.value.problem
    assert caught.value.operator == "4 FULLY_CONNECTED"


def test_results_that_depend_on_the_optimisation_are_an_error(project: Path) -> None:
    """As those of undefined behaviour that no sanitizer knows."""
    edit(
        project / C_FILES / "net_model.c",
        r"(    tflm_ext_fully_connected\()",
        r"#ifdef __OPTIMIZE__\n    for (size_t i = 0U; i < 64U; ++i) {\n"
        r"        arena[i] = (int8_t)(arena[i] / 2);\n    }\n#endif\n\1",
    )
    with pytest.raises(VerificationError) as caught:
        verify_project(project)
    assert caught.value.problem == (
        "The C gives other results with optimisation than without on this computer."
    )


def test_c_that_does_not_compile_is_a_verification_error(project: Path) -> None:
    edit(project / C_FILES / "net_model.c", r"return NET_OK;", "return NET_OKAY;")
    with pytest.raises(VerificationError) as caught:
        verify_project(project)
    compiler = host.find_compiler()
    assert caught.value.problem.startswith(f"The generated C does not compile with {compiler}: ")
    assert "NET_OKAY" in caught.value.problem
    assert caught.value.hint == (
        "Run tflm-ext doctor; if the compiler works, please report this bug in tflm_ext."
    )


def test_a_program_that_hangs_is_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_SECONDS", 1.0)
    monkeypatch.setattr(host, "_STEPS_PER_SECOND", 1e12)
    edit(
        project / C_FILES / "net_model.c",
        r"(    int8_t \*const arena = )",
        r"    volatile int wait = 1;\n    while (wait != 0) {\n    }\n\1",
    )
    with pytest.raises(VerificationError) as caught:
        verify_project(project)
    assert str(caught.value) == f"The C did not finish within 1 s on this computer.\n{STOPPED}"


def test_an_interpreter_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text("import time\ntime.sleep(3600)\n", "utf-8")
    monkeypatch.setattr(tflm, "_CHILD", str(child))
    monkeypatch.setattr(tflm, "_SECONDS", 0.5)
    monkeypatch.setattr(tflm, "_SECONDS_PER_VECTOR", 0.0)
    with pytest.raises(ToolError) as caught:
        tflm.run_tflm(image_net(), [np.zeros((1, 1, 6, 6, 2), np.int8)], 1, arena_bytes=1 << 16)
    assert str(caught.value) == (
        "TensorFlow Lite Micro's interpreter did not finish within 0 s.\n"
        "Check the model with a TensorFlow Lite interpreter; the file may be damaged."
    )


def test_an_interpreter_that_crashes_is_a_tool_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text("import os\nos.abort()\n", "utf-8")
    monkeypatch.setattr(tflm, "_CHILD", str(child))
    with pytest.raises(ToolError) as caught:
        tflm.run_tflm(image_net(), [np.zeros((1, 1, 6, 6, 2), np.int8)], 1, arena_bytes=1 << 16)
    assert str(caught.value) == (
        "TensorFlow Lite Micro's interpreter crashed on this model (SIGABRT).\n"
        "Check the model with a TensorFlow Lite interpreter; the file may be damaged."
    )


def test_explain_finds_the_cause_of_a_failed_test(project: Path) -> None:
    said = VerificationError("2 of 6 tests failed in native; golden vector 1", "hint", index=7)
    nothing = explain(project, said)
    assert (nothing.problem, nothing.index) == (said.problem, 7)
    assert nothing.hint == (
        "The files are correct on this computer; check the tests, compiler and flags of that run."
    )
    flip(project / C_FILES / "net_weights.c", "op01_weights", 0, 1 << 6)
    found = explain(project, said)
    assert found.operator == "1 DEPTHWISE_CONV_2D"
    assert found.problem.startswith(
        "2 of 6 tests failed in native; golden vector 1. The cause: net: operator 1 "
    )


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
@pytest.mark.parametrize(
    ("path", "table", "cause"),
    [
        (C_FILES / "net_weights.c", "op04_weights", "operator 4 FULLY_CONNECTED"),
        (Path(GOLDEN_FILES[0]), "vector6_output0", "golden vector 6, output 0, element 0 is "),
    ],
)
def test_the_project_s_own_tests_fail_with_the_cause(
    project: Path, path: Path, table: str, cause: str
) -> None:
    flip(project / path, table, 0, 1 << (30 if "bias" in table else 6))
    done = subprocess.run(
        [sys.executable, "-m", "tflm_ext.cli", "test", str(project)], capture_output=True, text=True
    )
    assert done.returncode == 6, done.stderr
    problem, hint = done.stderr.splitlines()
    assert re.match(
        r"error: \d of 6 tests failed in native; test_golden_vectors: Element \d+ Expected ",
        problem,
    )
    assert cause in problem
    assert hint in (f"hint: {AGAIN}", f"hint: {STOPPED}")
