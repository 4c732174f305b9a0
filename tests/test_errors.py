"""Every class of error: its full text, its exit code, and its place in the tree."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import tflm_ext
from tflm_ext import errors
from tflm_ext.errors import (
    AccuracyError,
    BudgetError,
    ConfigError,
    StorageError,
    TflmExtError,
    ToolError,
    UnsupportedModelError,
    UnsupportedOperatorError,
    VerificationError,
)

ROOT = Path(__file__).resolve().parents[1]
PROBLEM = "net: element 3 is 5 instead of 4."
HINT = "Export the model again."

CLASSES = {
    TflmExtError: (1, Exception),
    ConfigError: (2, TflmExtError),
    UnsupportedModelError: (3, TflmExtError),
    UnsupportedOperatorError: (3, UnsupportedModelError),
    BudgetError: (4, TflmExtError),
    AccuracyError: (4, BudgetError),
    ToolError: (5, TflmExtError),
    VerificationError: (6, TflmExtError),
    StorageError: (7, TflmExtError),
}


def test_no_class_is_forgotten() -> None:
    defined = {
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if member.__module__ == errors.__name__ and not issubclass(member, Warning)
    }
    assert defined == set(CLASSES)
    assert {name for name in tflm_ext.__all__ if name.endswith("Error")} == {
        kind.__name__ for kind in CLASSES
    }
    for kind in CLASSES:
        assert getattr(tflm_ext, kind.__name__) is kind


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_text_and_exit_code(kind: type[TflmExtError]) -> None:
    code, parent = CLASSES[kind]
    error = kind(PROBLEM, HINT)
    assert str(error) == f"{PROBLEM}\n{HINT}"
    assert (error.problem, error.hint, error.exit_code) == (PROBLEM, HINT, code)
    assert kind.__bases__ == (parent,)
    assert kind.__doc__


def test_the_tree_of_the_docstring_is_complete() -> None:
    """Depth and order of its lines are those of the classes."""
    text = errors.__doc__ or ""
    drawn = re.findall(r"^ {4}([ |]*)(?:\+-- )?(\w+Error) +(\d)?", text, re.MULTILINE)
    assert [name for _, name, _ in drawn] == [kind.__name__ for kind in CLASSES]
    for (indent, name, code), (kind, (exit_code, _)) in zip(drawn, CLASSES.items(), strict=True):
        depth = len(kind.__mro__) - len(TflmExtError.__mro__)
        assert len(indent) == max(0, 5 * depth - 4), name
        assert not code or int(code) == exit_code, name


def test_what_a_budget_error_knows() -> None:
    error = BudgetError(PROBLEM, HINT, needs=12, has=10, largest=(("op0_weights", 8),))
    assert (error.needs, error.has, error.largest) == (12, 10, (("op0_weights", 8),))
    assert BudgetError(PROBLEM, HINT).largest == ()


def test_what_a_tool_error_knows() -> None:
    said = "\n".join(f"line {i}" for i in range(30)) + "\n\n"
    error = ToolError(PROBLEM, HINT, command=("cc", "a b.c"), output=said)
    assert error.command == ("cc", "a b.c")
    assert error.output.splitlines() == [f"line {i}" for i in range(10, 30)]


def test_what_a_verification_error_knows() -> None:
    error = VerificationError(PROBLEM, HINT, operator="3 CONV_2D", index=3, expected=4, got=5)
    assert (error.operator, error.index, error.expected, error.got) == ("3 CONV_2D", 3, 4, 5)


def test_every_error_is_raised_with_a_problem_and_a_hint() -> None:
    """One line each, and a sentence: looked for where the text is written in place."""
    raised = re.compile(r"raise \w+Error\(\s*f?\"([^\"\n]*)\",\s*f?\"([^\"\n]*)\",?\s*\)")
    found = 0
    for path in (ROOT / "tflm_ext").rglob("*.py"):
        for problem, hint in raised.findall(path.read_text("utf-8")):
            found += 1
            assert problem[-1] in ".})", f"{path.name}: {problem}"
            assert hint[0].isupper() or hint[0] in "{'", f"{path.name}: {hint}"
    assert found > 20
