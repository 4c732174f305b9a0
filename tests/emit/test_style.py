"""Kernels, templates and generated C and C++ obey .clang-format, whatever the model is called."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import GOLDEN, ROOT
from tests.emit.test_c import NETS
from tests.emit.test_port_names import facts_of, header, named
from tests.facts import int8_port, int32_port
from tests.harness import facts_for
from tflm_ext.emit.model import model_files
from tflm_ext.emit.wrap import WIDTH, wrap
from tflm_ext.frontend import read_graph
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.project.names import LONGEST
from tflm_ext.project.platformio_tree import emulator_files
from tflm_ext.targets import Board, boards

pytestmark = pytest.mark.tool("clang-format")

SUFFIXES = {".c", ".h", ".cpp", ".ino"}


def complaints(paths: Sequence[Path]) -> str:
    """What clang-format would change."""
    assert paths
    style = f"--style=file:{ROOT / '.clang-format'}"
    command = ["clang-format", style, "--dry-run", "-Werror", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode != 0) == bool(done.stderr)
    return done.stderr[:2000]


def sources(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return [path for path in found if ".pio" not in path.parts]


@pytest.mark.parametrize("folder", ["templates", "tests/golden", "platformio_projects"])
def test_committed_files(folder: str) -> None:
    assert not complaints(sources(ROOT / folder))


def test_a_line_that_is_not_formatted_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.c"
    path.write_text("int f(int x)\n{\n  return x;\n}\n")
    assert "code should be clang-formatted" in complaints([path])


@pytest.mark.parametrize("length", [1, 8, 13, 17, 20, 22, 23, 25, 28, 31, 34, 37, LONGEST])
def test_models_with_names_of_every_length(length: int, tmp_path: Path) -> None:
    name = ("abcdefghij" * 4)[:length]
    for net, make in NETS.items():
        model = make()
        graph = read_graph(model, name)
        for optimize in (Optimize.SPEED, Optimize.SIZE):
            plan = make_plan(run_passes(graph).graph, optimize)
            for file in model_files(facts_for(model, graph, plan, name), plan):
                path = tmp_path / f"{net}_{optimize.value}" / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.content)
    own = [path for path in sources(tmp_path) if path.parent.name != "tflm_ext"]
    assert not complaints(own)


@pytest.mark.parametrize("length", [1, 4, 11, 17, 24])
def test_models_whose_inputs_and_outputs_have_names_of_every_length(
    length: int, tmp_path: Path
) -> None:
    """And whose own name has every length: the header has both."""
    ports = {
        "input": [int8_port("a", (1, 4), 0.1, 0), int32_port("b", (1, 2), 0, 8)],
        "output": [
            int8_port("c", (1, 3), 1 / 256, -128),
            int8_port("d", (1, 1), 1 / 256, -128),
            int8_port("e", (1, 5), 0.5, 3),
        ],
    }
    for own in (1, 9, 16, 21, 22, 23, 25, 28, 31, 34, 37, LONGEST):
        name = ("abcdefghij" * 4)[:own]
        named_ports = {
            kind: named(kind, found, *(letter * length for letter in "xyz"[: len(found)]))
            for kind, found in ports.items()
        }
        facts = facts_of(named_ports["input"], named_ports["output"], name)
        labels = (("cat", "dog", "cow"), ("young", "old"), ())
        outputs = zip(facts.outputs, labels, strict=True)
        facts = replace(facts, outputs=tuple(replace(o, labels=texts) for o, texts in outputs))
        (tmp_path / f"{name}_model.h").write_text(header(facts, name=name), "ascii")
    assert not complaints(sources(tmp_path))


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_the_start_of_the_emulated_core(board: Board, tmp_path: Path) -> None:
    for file in emulator_files(board):
        if file.path.endswith(".c"):
            (tmp_path / "startup.c").write_bytes(file.content)
    assert not complaints([tmp_path / "startup.c"])


def test_the_width_is_that_of_the_style() -> None:
    assert f"\nColumnLimit: {WIDTH}\n" in (ROOT / ".clang-format").read_text("utf-8")


def test_what_fits_is_not_wrapped() -> None:
    text = (GOLDEN / "image_net/lib/Image_net/src/image_net_model.c").read_text("utf-8")
    assert wrap(text) == text
    assert wrap(f"    call({'x' * 90}, y);") == f"    call({'x' * 90},\n         y);"
