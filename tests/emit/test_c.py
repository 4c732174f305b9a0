"""The generated C as compilers, linkers and disassemblers see it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import facts_for
from tests.models import image_net, recurrent_net, two_headed_net
from tests.tflite_builder import ModelBuilder
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import read_graph
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.plan.footprint import context_bytes
from tflm_ext.targets import board
from tflm_ext.verify.host import WARNINGS


def unchanged_net() -> bytes:
    """No operator is left and no table: the output is the input."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.5)
    y = b.tensor((1, 2, 2), scale=0.5)
    b.operator("RESHAPE", [x], [y])
    return b.finish([x], [y])


def deep_net() -> bytes:
    """Three convolutions and two dense layers of different shapes: kernels with several callers."""
    generator = np.random.default_rng(3)
    b = ModelBuilder()
    x = here = b.tensor((1, 8, 8, 3), scale=0.02)
    for i, (side, channels, outputs, stride) in enumerate(
        [(8, 3, 8, 1), (4, 8, 8, 2), (4, 8, 16, 1)]
    ):
        after = b.tensor((1, side, side, outputs), scale=0.02, name=f"net/conv{i}/Relu")
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        weights = generator.integers(-127, 128, (outputs, 3, 3, channels), np.int8)
        b.operator("CONV_2D", [here, b.constant(weights, scale=0.005)], [after], options)
        here = after
    for i, (depth, outputs) in enumerate([(256, 10), (10, 4)]):
        after = b.tensor((1, outputs), scale=0.05, name=f"net/dense{i}/MatMul")
        weights = generator.integers(-127, 128, (outputs, depth), np.int8)
        options = schema.FullyConnectedOptionsT()
        b.operator("FULLY_CONNECTED", [here, b.constant(weights, scale=0.005)], [after], options)
        here = after
    return b.finish([x], [here])


NETS = {
    "image": image_net,
    "two": two_headed_net,
    "unchanged": unchanged_net,
    "deep": deep_net,
    "recurrent": recurrent_net,
}

BOARD = board("nano33ble_sense")
M4 = (*BOARD.machine_flags, *BOARD.common_flags)


def write(name: str, folder: Path) -> tuple[Plan, list[str]]:
    """The library of a model in a folder; its plan and its C files."""
    model = NETS[name]()
    graph = read_graph(model, name)
    plan = make_plan(run_passes(graph).graph)
    files = model_files(facts_for(model, graph, plan, name), plan)
    for file in files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(file.content)
    return plan, [file.path for file in files if file.path.endswith(".c")]


def run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param((tool, *flags, standard), marks=pytest.mark.tool(tool), id=f"{tool}{standard}")
        for tool, flags in (
            ("gcc", ("-O2",)),
            ("clang", ("-O1",)),
            ("arm-none-eabi-gcc", M4),
        )
        for standard in ("-std=c99", "-std=gnu11")
    ],
)
@pytest.mark.parametrize("trace", [False, True], ids=["release", "trace"])
def test_no_warning(name: str, compiler: tuple[str, ...], trace: bool, tmp_path: Path) -> None:
    _, units = write(name, tmp_path)
    define = (f"-D{name.upper()}_TRACE",) if trace else ()
    run([*compiler, *WARNINGS, *define, "-fsyntax-only", *units], tmp_path)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param((tool, *flags), marks=pytest.mark.tool(tool), id=tool)
        for tool, flags in (("g++", ()), ("clang++", ()), ("arm-none-eabi-g++", M4))
    ],
)
def test_the_header_is_cpp_14(name: str, compiler: tuple[str, ...], tmp_path: Path) -> None:
    write(name, tmp_path)
    Path(tmp_path, "use.cpp").write_text(
        f'#include "{name}_model.h"\n#include "{name}_model.h"\n'
        f"int use({name}_context_t *ctx);\n"
        f"int use({name}_context_t *ctx)\n{{\n"
        f"    const int8_t value = {name}_quantize_input0(0.5f);\n"
        f"    return {name}_init(ctx) + static_cast<int>({name}_dequantize_output0(value));\n}}\n",
        "utf-8",
    )
    run([*compiler, "-std=gnu++14", *WARNINGS, "-fsyntax-only", "use.cpp"], tmp_path)


@pytest.mark.tool("gcc")
def test_two_models_in_one_program(tmp_path: Path) -> None:
    units = [unit for name in ("image", "two") for unit in write(name, tmp_path)[1]]
    Path(tmp_path, "main.c").write_text(
        '#include "image_model.h"\n#include "two_model.h"\n'
        "static image_context_t image;\nstatic two_context_t two;\n"
        "int main(void)\n{\n"
        "    if ((image_init(&image) != IMAGE_OK) || (two_init(&two) != TWO_OK)) {\n"
        "        return 1;\n    }\n"
        "    return (int)image_invoke(&image) + (int)two_invoke(&two);\n}\n",
        "utf-8",
    )
    run(["gcc", "-std=c99", *WARNINGS, *units, "main.c", "-o", "both"], tmp_path)
    run(["./both"], tmp_path)


@pytest.mark.tool("arm-none-eabi-gcc")
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("optimize", ["-Os", "-O2"])
def test_no_mutable_data_and_nothing_but_the_c_library_s_memory_functions(
    name: str, optimize: str, tmp_path: Path
) -> None:
    plan, units = write(name, tmp_path)
    run(["arm-none-eabi-gcc", *M4, optimize, "-std=gnu11", "-c", *units], tmp_path)
    objects = [Path(unit).with_suffix(".o").name for unit in units]
    constants = 0
    for line in run(["arm-none-eabi-size", "-A", *objects], tmp_path).splitlines():
        section, size, *_ = [*line.split(), "", ""]
        if section.startswith((".data", ".bss")):
            assert int(size) == 0, line
        if section.startswith(".rodata"):
            constants += int(size)
    assert constants >= plan.weight_bytes
    # The linker need not look for those that one of the files defines.
    listed = run(["arm-none-eabi-nm", *objects], tmp_path)
    undefined = set(re.findall(r"^ +U (\w+)$", listed, re.MULTILINE))
    defined = set(re.findall(r"^[0-9a-f]+ \w (\w+)$", listed, re.MULTILINE))
    assert undefined - defined <= {"memset", "memcpy", "memmove"}


@pytest.mark.tool("arm-none-eabi-gcc")
@pytest.mark.parametrize("name", NETS)
def test_the_size_of_the_context_is_what_the_report_says(name: str, tmp_path: Path) -> None:
    plan, _ = write(name, tmp_path)
    Path(tmp_path, "size.c").write_text(
        f'#include "{name}_model.h"\n'
        f"typedef char right[(sizeof({name}_context_t) == {context_bytes(plan)}U) ? 1 : -1];\n",
        "utf-8",
    )
    run(["arm-none-eabi-gcc", *M4, "-std=gnu11", "-fsyntax-only", "size.c"], tmp_path)


@pytest.mark.tool("arm-none-eabi-gcc")
def test_kernels_are_specialised_under_os(tmp_path: Path) -> None:
    """Every call has its own kernel, with the numbers of the call in its instructions."""
    write("deep", tmp_path)
    source = tmp_path / "deep_model.c"
    compile_ = ["arm-none-eabi-gcc", *M4, "-Os", "-std=gnu11", "-c", source.name, "-o", "model.o"]

    # Those that do their work in assembly gain nothing by separate numbers, and are shared.
    headers = "".join(path.read_text("utf-8") for path in tmp_path.glob("tflm_ext/*.h"))
    mark = r"(?:TFLM_EXT_SHARED|__attribute__\(\(naked, noinline, unused\)\)) static"
    shared = set(re.findall(rf"{mark}[\w\s*]*?(tflm_ext_\w+)\(", headers))
    assert "tflm_ext_conv_2d_tile" in shared

    def generic() -> list[str]:
        """Kernels that read their numbers from a table though they need not."""
        run(compile_, tmp_path)
        symbols = run(["arm-none-eabi-nm", "model.o"], tmp_path)
        found = re.findall(r" (tflm_ext_\w+)$", symbols, re.MULTILINE)
        return [name for name in found if name not in shared]

    run(compile_, tmp_path)
    listing = run(["arm-none-eabi-objdump", "-dr", "model.o"], tmp_path)
    assert generic() == []
    assert set(re.findall(r"\bbl\b.*<(tflm_ext_\w+)>", listing)) <= shared
    assert re.search(r"\bsm[lu]+a?l\b|\bsmmulr\b", listing)  # requantised without a call
    # Without the pragma it would be otherwise, so this test can fail.
    text = source.read_text("utf-8")
    assert text.count("#pragma GCC optimize") == 1
    source.write_text(re.sub(r"#pragma GCC optimize.*", "", text), "utf-8")
    assert generic() != []
