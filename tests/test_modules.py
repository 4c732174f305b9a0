"""What holds for every module: its examples run, few import TensorFlow, and it is short."""

from __future__ import annotations

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "tflm_ext").rglob("*.py")
    if path.name != "__main__.py"
)
COMPRESSION = "tflm_ext.compression"
# What of compression works on arrays and texts alone.
ARRAYS = {
    f"{COMPRESSION}.{name}"
    for name in (
        "arguments",
        "channels",
        "channels.choose",
        "channels.groups",
        "channels.importance",
        "channels.report",
        "channels.ties",
        "channels.usage",
        "checkpoints",
        "files",
        "fingerprint",
        "k_means",
        "patterns",
        "recipe",
        "result",
        "stored",
    )
}
# The others run in a child process of export(), or import TensorFlow or Keras at their head.
SENSE = ("tflm_ext.sense.layer", "tflm_ext.sense.operations")
QAT = "tflm_ext.qat."
HEAVY = [
    m
    for m in MODULES
    if m.startswith((COMPRESSION, "tflm_ext.convert", QAT, *SENSE)) and m not in ARRAYS
]
LIGHT = [m for m in MODULES if m not in HEAVY]
FRAMEWORKS = ("tensorflow", "keras", "tf_keras")


@pytest.mark.parametrize("name", LIGHT)
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.slow
def test_examples_in_docstrings_of_modules_with_tensorflow(tmp_path: Path) -> None:
    code = (
        "import doctest, importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "sys.exit(sum(doctest.testmod(importlib.import_module(m)).failed for m in sys.argv[2:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), *HEAVY],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_modules_of_arrays_exist() -> None:
    assert ARRAYS < set(MODULES)


def test_no_other_module_imports_a_framework(tmp_path: Path) -> None:
    code = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
        f"    print(*(name + ': ' + f for f in {FRAMEWORKS} if f in sys.modules), end='')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), *LIGHT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.stdout, result.returncode) == ("", 0), result.stderr


LONGEST_FILE = 450
LONGEST_FUNCTION = 60


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name: str) -> None:
    """Lines of a file, and of a function without its docstring."""
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert lines_of(node) <= LONGEST_FUNCTION, node.name


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, without its docstring."""
    lines = range(function.lineno, (function.end_lineno or 0) + 1)
    if ast.get_docstring(function) is None:
        return len(lines)
    said = function.body[0]
    return len(lines) - len(range(said.lineno, (said.end_lineno or 0) + 1))


def test_lines_are_counted_without_the_docstring() -> None:
    (function,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body
    assert isinstance(function, ast.FunctionDef)
    assert lines_of(function) == 2
