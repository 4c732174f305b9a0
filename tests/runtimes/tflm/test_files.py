"""The generated C++: golden text, and the header as C and C++ compilers see it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.facts import with_labels
from tests.harness import facts_for
from tests.models import image_net, recurrent_net, two_headed_net
from tests.runtimes.tflm import nets
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.frontend.parse import parse
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.runtimes.tflm import arena_bound, context_bytes, interpreter_files
from tflm_ext.targets import board
from tflm_ext.verify.host import WARNINGS

NETS = {
    "image_net": image_net,
    "two_headed_net": two_headed_net,
    "recurrent_net": recurrent_net,
    "product": nets.product,
}
M4 = board("nano33ble_sense").machine_flags


def generated(name: str, arena: int | None = None) -> tuple[RenderedFile, ...]:
    model = NETS[name]()
    graph = read_graph(model, name)
    facts = facts_for(model, graph, make_plan(run_passes(graph).graph), name)
    facts = with_labels(replace(facts, inputs=input_ports(graph)), ("no", "*/ ??/"))
    parsed = parse(model, name)
    return interpreter_files(facts, parsed, model, arena or arena_bound(parsed).total)


def text(files: Sequence[RenderedFile], path: str) -> str:
    (file,) = (file for file in files if file.path == path)
    return file.content.decode("utf-8")


def compile_(command: Sequence[str], folder: Path, source: str, code: str) -> None:
    Path(folder, source).write_text(code, "utf-8")
    flags = (*WARNINGS, "-fsyntax-only", "-I", ".", source)
    done = subprocess.run((*command, *flags), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=NETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    for file in generated(name):
        Path(tmp_path, file.path).write_bytes(file.content)
    return tmp_path


@pytest.mark.parametrize("golden_name", ["two_headed_net", "recurrent_net"])
def test_golden(golden_name: str, golden: Callable[[str, Mapping[str, bytes]], None]) -> None:
    files = {file.path: file.content for file in generated(golden_name)}
    golden(f"interpreter_{golden_name}", files)


def test_text_is_tidy(name: str) -> None:
    for file in generated(name):
        lines = file.content.decode("ascii").split("\n")
        assert lines[-1] == "", file.path
        assert lines[-2] != "", file.path
        for number, line in enumerate(lines, 1):
            assert line == line.rstrip() and len(line) <= 100, f"{file.path}:{number}"


@pytest.mark.parametrize(
    ("compiler", "source"),
    [
        pytest.param((tool, *flags, standard), source, marks=pytest.mark.tool(tool), id=tool)
        for tool, flags, standard, source in (
            ("gcc", (), "-std=c99", "use.c"),
            ("clang", (), "-std=c99", "use.c"),
            ("g++", (), "-std=c++14", "use.cpp"),
            ("clang++", (), "-std=c++14", "use.cpp"),
            ("arm-none-eabi-gcc", M4, "-std=gnu11", "use.c"),
            ("arm-none-eabi-g++", M4, "-std=gnu++14", "use.cpp"),
        )
    ],
)
def test_the_header_is_c99_and_cpp14(
    compiler: tuple[str, ...], source: str, name: str, folder: Path
) -> None:
    code = (
        f'#include "{name}_model.h"\n'
        f"size_t use({name}_context_t *ctx);\n"
        f"size_t use({name}_context_t *ctx)\n{{\n"
        f"    if ({name}_init(ctx) != {name.upper()}_OK || {name}_error(ctx)[0] != 0) {{\n"
        "        return 0U;\n    }\n"
        f"    {name}_input(ctx, 0)[0] = {name}_quantize_input0(0.5f);\n"
        f"    return {name}_arena_used_bytes(ctx);\n}}\n"
    )
    compile_(compiler, folder, source, code)


@pytest.mark.tool("arm-none-eabi-gcc")
def test_the_size_of_the_context(name: str, folder: Path) -> None:
    parsed = parse(NETS[name](), name)
    size = context_bytes(parsed, arena_bound(parsed).total)
    code = (
        f'#include "{name}_model.h"\n'
        f"typedef char right[(sizeof({name}_context_t) == {size}U) ? 1 : -1];\n"
    )
    compile_(("arm-none-eabi-gcc", *M4, "-std=gnu11"), folder, "size.c", code)


@pytest.mark.tool("gcc")
def test_the_same_interface_as_that_of_the_compiled_runtime(name: str) -> None:
    """This header has everything that a program may use in the compiled runtime's header."""
    from tflm_ext.emit.model import model_files

    model = NETS[name]()
    graph = read_graph(model, name)
    plan = make_plan(run_passes(graph).graph)
    facts = with_labels(facts_for(model, graph, plan, name), ("no", "*/ ??/"))
    ours = text(generated(name), f"{name}_model.h")
    compiled = text(model_files(facts, plan), f"{name}_model.h")
    without_trace = compiled.replace(f"{name}_trace", "").replace(f"{name.upper()}_TRACE", "")
    symbols = rf"\b{name}_\w+(?=\()|\b{name.upper()}_\w+"
    assert set(re.findall(symbols, without_trace)) <= set(re.findall(symbols, ours))


def test_the_model_is_in_the_file_byte_for_byte() -> None:
    source = text(generated("image_net"), "image_net_model_data.cpp")
    values = re.findall(r"\d+", source.split("= {")[1])
    assert bytes(map(int, values)) == image_net()


def test_an_arena_of_another_size() -> None:
    files = generated("image_net", 4096)
    assert "* 4096U)" in text(files, "image_net_model.h")
    assert "4096  as requested" in text(files, "image_net_model.cpp")


def test_an_old_tree_is_told_from_a_newer_one_only_where_it_matters() -> None:
    assert "too old for the model's BATCH_MATMUL" in text(generated("product"), "product_model.cpp")
    assert "too old" not in text(generated("image_net"), "image_net_model.cpp")
