"""Projects with int32 inputs and outputs: what is printed, what runs, and what is out of range."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.device.test_client import run_program, terminal
from tests.firmware.test_board import build
from tests.harness import facts_for
from tests.ops.test_integers import SCALE, Lookup, columns, integers, options, returned
from tests.report.test_schema import VALIDATOR
from tflm_ext import export
from tflm_ext.bench import bench
from tflm_ext.cli import main
from tflm_ext.device import Device
from tflm_ext.emit.model import model_files
from tflm_ext.errors import VerificationError
from tflm_ext.frontend import read_graph
from tflm_ext.frontend.parse import parse
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.project.exported import GOLDEN_VECTORS
from tflm_ext.recheck import verify_project
from tflm_ext.runtimes.tflm import arena_bound, interpreter_files
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_tflm

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def mixed() -> bytes:
    """int8 and int32 inputs and outputs: a layer of rows and values, and reversed positions."""
    m = Lookup()
    tokens = m.integers(1, 5)
    values = m.b.tensor((1, 6), scale=SCALE, name="values")
    m.inputs.append(values)
    (rows,) = (m.rows(tokens, (1, 5)),)
    c = m.b.constant
    flat, joined = m.b.tensor((1, 15), scale=SCALE), m.b.tensor((1, 21), scale=SCALE)
    m.b.operator("RESHAPE", [rows, c(integers(1, 15))], [flat], options("Reshape"))
    m.b.operator("CONCATENATION", [flat, values], [joined], options("Concatenation", axis=1))
    weights = m.random.integers(-127, 128, (4, 21)).astype(np.int8)
    scores = m.b.tensor((1, 4), scale=2.0, name="scores")
    m.b.operator(
        "FULLY_CONNECTED",
        [joined, c(weights, scale=0.05)],
        [scores],
        schema.FullyConnectedOptionsT(),
    )
    (reversed_,) = m.moved(
        "STRIDED_SLICE",
        [tokens, c(integers(0, 4)), c(integers(1, -6)), c(integers(1, -1))],
        [(1, 5)],
        options("StridedSlice"),
    )
    m.outputs = [scores, reversed_]
    return m.finish()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "net.tflite").write_bytes(mixed())
    return export(folder / "net.tflite", folder / "net", progress=False).folder


@pytest.mark.tool("cc")
def test_the_report_has_types_and_limits(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads((project / "report.json").read_text("utf-8"))
    VALIDATOR.validate(report)
    tokens, values = report["model"]["inputs"]
    scores, positions = report["model"]["outputs"]
    assert tokens == {
        "name": "tokens",
        "port_name": "tokens",
        "c_name": "input_tokens",
        "shape": [1, 5],
        "dtype": "int32",
        "limits": [[0, 6]],
        "size_bytes": 20,
    }
    assert (values["dtype"], values["size_bytes"], "limits" in values) == ("int8", 6, False)
    assert (scores["dtype"], scores["scale"]) == ("int8", 2.0)
    assert (positions["dtype"], positions["size_bytes"]) == ("int32", 20)
    assert {"scale", "zero_point", "limits"}.isdisjoint(positions)
    assert main(["inspect", str(project)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"input 0 +1x5 int32 from 0 to 6 +tokens", printed)
    assert re.search(r"output 1 +1x5 int32 ", printed)
    readme = (project / "README.md").read_text("utf-8")
    assert "| input 0 (tokens) | 1x5 | q from 0 to 6 |" in readme
    assert "int32_t *input_tokens = net_input(&context, NET_INPUT_TOKENS_INDEX);" in readme


@pytest.mark.tool("cc")
def test_files_are_verified_on_allowed_values(project: Path) -> None:
    checked = verify_project(project, seed=3)
    assert (checked.tensors, checked.golden) == (4, 8)
    assert checked.inputs >= 64


@pytest.mark.tool("cc")
def test_a_golden_position_that_was_edited_is_named(project: Path) -> None:
    path = project / GOLDEN_VECTORS
    text = path.read_text("utf-8")
    table = re.search(r"static const int32_t vector0_output1\[5\] = \{\s*(.*?)\s*\};", text)
    assert table is not None
    numbers = [int(n) for n in re.findall(r"-?\d+", table[1])]
    wrong = [*numbers[:3], numbers[3] + 70000, numbers[4]]
    edited = table[0].replace(table[1], ", ".join(map(str, wrong)))
    path.write_text(text.replace(table[0], edited), "utf-8")
    try:
        with pytest.raises(VerificationError) as caught:
            verify_project(project)
    finally:
        path.write_text(text, "utf-8")
    assert caught.value.problem == (
        f"{GOLDEN_VECTORS}: golden vector 0, output 1, element 3 is {wrong[3]} instead of "
        f"{numbers[3]}."
    )


@pytest.mark.tool("cc", "gcc", "g++")
def test_the_firmware_takes_bytes_and_refuses_other_positions(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = build(project)
    tokens, values = integers(6, 0, 3, 3, 1), np.arange(6, dtype=np.int8)
    graph = read_graph(mixed())
    expected = run_tflm(
        mixed(),
        [tokens[np.newaxis, np.newaxis], values[np.newaxis, np.newaxis]],
        2,
        arena_bytes=arena_for(graph),
    ).outputs
    with Device.in_program([str(program)]) as device:
        assert device.info().input_bytes == (20, 6)
        assert device.info().output_bytes == (4, 20)
        for wrong in (-1, 7, 1 << 8, INT32_MIN, INT32_MAX):
            for place in range(5):
                bad = tokens.copy()
                bad[place] = wrong
                with pytest.raises(VerificationError, match="rejected RUN: the model failed"):
                    device.run([bad.astype("<i4").tobytes(), values.tobytes()])
        outputs, _ = device.run([tokens.astype("<i4").tobytes(), values.tobytes()])
    assert [*map(bytes, outputs)] == [array[0].tobytes() for array in expected]
    assert np.frombuffer(outputs[1], "<i4").tolist() == tokens[::-1].tolist()
    with terminal(run_program(program)) as port:
        assert main(["verify", str(project), "--port", port]) == 0
    assert "2 tensors on 16 inputs" in capsys.readouterr().out


def _limits_program(name: str, size: int, limits: Sequence[tuple[int, int]], index: int) -> str:
    """Calls invoke with every element at its ends and beyond; the number of wrong answers."""
    cases = [
        (at, value, int(low <= value <= high))
        for at, (low, high) in enumerate(limits)
        for value in {low, high, max(low - 1, INT32_MIN), min(high + 1, INT32_MAX), INT32_MIN}
    ]
    rows = ",\n".join(f"    {{ {at}, {value}LL, {good} }}" for at, value, good in cases)
    rest = ", ".join(str(min(max(low, 0), high)) for low, high in limits)
    return f"""
#include <stdio.h>
#include <string.h>
#include "{name}_model.h"
static {name}_context_t context;
static const struct {{ int at; long long value; int good; }} cases[] = {{
{rows}
}};
static const int32_t rest[{size}] = {{ {rest} }};
int main(void)
{{
    int wrong = 0;
    if ({name}_init(&context) != {name.upper()}_OK) {{
        return 100;
    }}
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {{
        int32_t *const input = (int32_t *){name}_input(&context, {index});
        memcpy(input, rest, sizeof rest);
        input[cases[i].at] = (int32_t)cases[i].value;
        const {name}_status_t status = {name}_invoke(&context);
        wrong += status != (cases[i].good ? {name.upper()}_OK : {name.upper()}_ERROR_INPUT);
    }}
    printf("%d of %u", wrong, (unsigned)(sizeof cases / sizeof cases[0]));
    return wrong;
}}
"""


@pytest.mark.tool("gcc")
@pytest.mark.parametrize(
    ("model", "index", "limits"),
    [
        (mixed(), 0, [(0, 6)] * 5),
        (columns(), 0, [(0, 2), (0, 199), (INT32_MIN, INT32_MAX)] * 2),
    ],
)
def test_the_c_refuses_what_is_out_of_range(
    model: bytes, index: int, limits: list[tuple[int, int]], tmp_path: Path
) -> None:
    graph = read_graph(model)
    plan = make_plan(run_passes(graph).graph)
    for file in model_files(facts_for(model, graph, plan, "net"), plan):
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).write_bytes(file.content)
    (tmp_path / "main.c").write_text(_limits_program("net", len(limits), limits, index))
    sources = ("main.c", "net_model.c", "net_weights.c")
    command = ("gcc", "-std=c99", "-O1", *SANITIZED, *sources, "-o", "program")
    subprocess.run(command, cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


FAKE = """
#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk };
namespace tflite {
struct Model {};
inline const Model *GetModel(const void *) { return nullptr; }
template <unsigned N> struct MicroMutableOpResolver {
    METHODS
};
struct Tensor { union { int8_t *int8; int32_t *i32; void *data; } data; };
struct MicroInterpreter {
    template <class R>
    MicroInterpreter(const Model *, R &, uint8_t *arena, size_t) : bytes(arena) {}
    TfLiteStatus AllocateTensors() { return kTfLiteOk; }
    TfLiteStatus Reset() { return kTfLiteOk; }
    TfLiteStatus Invoke() { return kTfLiteOk; }
    Tensor *input(size_t i) { held.data.data = bytes + 64 * i; return &held; }
    Tensor *output(size_t i) { held.data.data = bytes + 64 * i; return &held; }
    size_t arena_used_bytes() { return 128; }
    uint8_t *bytes;
    Tensor held;
};
} // namespace tflite
"""


@pytest.mark.tool("g++")
@pytest.mark.parametrize(
    ("model", "index", "limits"),
    [
        (mixed(), 0, [(0, 6)] * 5),
        (columns(), 0, [(0, 2), (0, 199), (INT32_MIN, INT32_MAX)] * 2),
    ],
)
def test_runtime_tflm_refuses_it_before_the_interpreter_reads_it(
    model: bytes, index: int, limits: list[tuple[int, int]], tmp_path: Path
) -> None:
    """With an interpreter that computes nothing in place of TensorFlow Lite Micro's."""
    graph, parsed = read_graph(model), parse(model, "net")
    facts = facts_for(model, graph, make_plan(run_passes(graph).graph), "net")
    files = interpreter_files(facts, parsed, model, arena_bound(parsed).total)
    for file in files:
        (tmp_path / file.path).write_bytes(file.content)
    source = (tmp_path / "net_model.cpp").read_text("utf-8")
    methods = " ".join(
        f"TfLiteStatus {call}() {{ return kTfLiteOk; }} "
        f"template <class T> TfLiteStatus {call}(T) {{ return kTfLiteOk; }}"
        for call in re.findall(r"resolver\.(Add\w+)", source)
    )
    for header in re.findall(r'#include "(tensorflow/.*?)"', source):
        path = tmp_path / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#include "fake.h"\n')
    variants = "".join(
        f"namespace tflite {{ inline int {name}() {{ return 0; }} }}\n"
        for name in re.findall(r"tflite::(Register_\w+)", source)
    )
    (tmp_path / "fake.h").write_text(FAKE.replace("METHODS", methods) + variants)
    (tmp_path / "main.cpp").write_text(_limits_program("net", len(limits), limits, index))
    sources = ("main.cpp", "net_model.cpp", "net_model_data.cpp")
    command = ("g++", "-std=c++14", "-O1", "-I.", *SANITIZED, *sources, "-o", "program")
    subprocess.run(command, cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.tool("cc", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_on_this_computer_and_the_emulated_core(project: Path) -> None:
    result = export(project / "model/net.tflite", project, overwrite=True, progress=False)
    assert result.test("native").passed == 6
    assert result.test("cortex_m4").passed == 6
    assert bench(project).instructions > 0


SKETCH = """
#include <cstddef>
#include <cstdint>
#include <cstdio>
static struct {
    void begin(long) {}
    void print(const char *text) { std::printf("%s", text); }
    void print(long value) { std::printf("%ld", value); }
    void print(int32_t value) { std::printf("%ld", (long)value); }
    void print(unsigned long value) { std::printf("%lu", value); }
    void print(double value, int digits) { std::printf("%.*f", digits, value); }
    void println(const char *text) { std::printf("%s\\n", text); }
} Serial;
static void delay(unsigned long) {}
static unsigned long micros() { return 0; }
"""


@pytest.mark.tool("cc", "gcc", "g++")
@pytest.mark.parametrize("model", [mixed, returned], ids=lambda model: model.__name__)
def test_the_sketch_runs(model: Callable[[], bytes], tmp_path: Path) -> None:
    """On this computer, with a board's functions that print here."""
    (tmp_path / "net.tflite").write_bytes(model())
    folder = export(tmp_path / "net.tflite", tmp_path / "net", progress=False).folder
    library, example = folder / "lib/Net/src", folder / "lib/Net/examples/Net"
    sketch = (example / "Net.ino").read_text("utf-8")
    (tmp_path / "main.cpp").write_text(f"{SKETCH}{sketch}\nint main() {{ setup(); loop(); }}\n")
    for part in ("model", "weights"):
        source = library / f"net_{part}.c"
        subprocess.run(("gcc", "-c", source, "-o", f"{part}.o"), cwd=tmp_path, check=True)
    command = ("g++", f"-I{library}", f"-I{example}", "main.cpp", "model.o", "weights.o")
    subprocess.run((*command, "-o", "program"), cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert len(lines) > 1
    assert all(re.match(r"\w+: (-?[\d.]+ )+$", line) for line in lines[:-1])
    assert ran.stdout.endswith(" microseconds, same as TensorFlow Lite Micro\n")
