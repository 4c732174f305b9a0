"""docs/how-to/add-an-operator.md, followed step by step in a copy of the tree.

What is run and changed is what the page shows: its commands and its diffs. Before a step is
complete, the test that it names fails; afterwards it passes.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tflm_ext.ops import OPERATORS

PAGE = ROOT / "docs" / "how-to" / "add-an-operator.md"
CORE = "cortex-m4"  # the tables of the other cores are made in the same way
LEFT_OUT = ("platformio_projects/vibration", "tests/projects/", "tests/golden/")
STEP = re.compile(r"^## \d+\. (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```diff\n(.*?)^```$|^ {4}(\S[^\n]*)$", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"^Until then, `(tests/[^`]+)` fails", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A section of the page.

    Attributes:
        title: of the section.
        blocks: diffs and commands, in the order of the page.
        check: the test that fails until the last of them is done.
    """

    title: str
    blocks: tuple[str, ...]
    check: str


def steps() -> list[Step]:
    _, *parts = STEP.split(PAGE.read_text("utf-8"))
    found = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        blocks = tuple(diff or command.rstrip() for diff, command in BLOCK.findall(text))
        (check,) = CHECK.findall(text)
        found.append(Step(title, blocks, check))
    return found


STEPS = steps()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, without projects and golden files."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in filter(None, listed.stdout.split("\0")):
        if not path.startswith(LEFT_OUT) and (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((ROOT / path).read_bytes())
    return folder


def apply(tree: Path, diff: str) -> None:
    """Make the changes of a diff, whose lines of context are found exactly once."""
    name, *hunks = re.split(r"^@@\n", diff, flags=re.MULTILINE)
    path = tree / name.removeprefix("+++ ").strip()
    text = path.read_text("utf-8")
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"{path.name} is not as the page shows it:\n{old}"
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def run(tree: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=600)


def do(tree: Path, block: str) -> None:
    """Make the change or run the command that the page shows."""
    if block.startswith("+++ "):
        apply(tree, block)
        return
    words = shlex.split(block)
    if words[0] == "make":
        # In this environment, which make would otherwise install for the copy.
        words += [f"PYTHON={sys.executable}", f"CORE={CORE}", "--assume-old=.venv/.ready"]
    done = run(tree, words)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


def expect(tree: Path, *, passing: Sequence[str], failing: Sequence[str] = ()) -> None:
    """Run tests of the copy."""
    tests = [*passing, *failing]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", *tests]
    done = run(tree, command)
    rows = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    found = {name: outcome for outcome, name in rows}
    wanted = dict.fromkeys(passing, "PASSED") | dict.fromkeys(failing, "FAILED")
    assert found == wanted, done.stdout + done.stderr


def test_every_step_names_what_it_does() -> None:
    assert len(STEPS) == 8 and all(step.blocks for step in STEPS)
    template = {path.name for path in (PAGE.parent / "operator_template").iterdir()}
    shown = {Path(shlex.split(b)[1]).name for s in STEPS for b in s.blocks if b.startswith("cp ")}
    assert shown == template
    names = {operator.name for operator in OPERATORS}
    assert "MIRROR_PAD" not in names, "the page needs an example that is not supported yet"


@pytest.mark.slow
@pytest.mark.tool("cc", "make", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_the_page_adds_an_operator(tree: Path, tmp_path: Path) -> None:
    done: list[str] = []
    for step in STEPS:
        *first, last = step.blocks
        for block in first:
            do(tree, block)
        expect(tree, passing=done[-1:], failing=[step.check])
        do(tree, last)
        done.append(step.check)
    expect(tree, passing=done[-1:])
    check_exactness(tree)
    check_export(tree, tmp_path)
    check_style(tree)


def check_exactness(tree: Path) -> None:
    """NumPy and C equal TFLM on this computer and on the core, as all tests of the example say."""
    on_core = "tests/ops/test_kernels_on_the_core.py::test_equal_on_host_and_core[mirror_pad-0]"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    done = run(tree, [*command, "tests/ops/test_mirror_pad.py", on_core])
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout + done.stderr


def check_export(tree: Path, folder: Path) -> None:
    """A model with the operator is exported and verified, and its row is in the reference."""
    code = (
        "import sys, tflm_ext\n"
        "from tests.ops.test_mirror_pad import mirror_pad\n"
        "open(sys.argv[1] + '/net.tflite', 'wb').write(mirror_pad())\n"
        "tflm_ext.export(sys.argv[1] + '/net.tflite', sys.argv[1] + '/net', progress=False)\n"
    )
    done = run(tree, [sys.executable, "-c", code, str(folder)])
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "net" / "report.json").read_text("utf-8"))
    assert [row["operator"] for row in report["operators"]] == ["MIRROR_PAD"]
    assert report["verification"]["inputs"] >= 64
    reference = (tree / "docs/reference/operators.md").read_text("utf-8")
    assert "| MIRROR_PAD | 2 | a border that mirrors what is inside | amounts that are" in reference
    count = len([operator for operator in OPERATORS if operator.code >= 0])
    assert f"[{count + 1} operators](docs/" in (tree / "README.md").read_text("utf-8")


def check_style(tree: Path) -> None:
    """What was copied and shown obeys the linter; `make types` checks the templates' types."""
    blocks = [block for step in STEPS for block in step.blocks]
    written = [shlex.split(b)[2] for b in blocks if b.startswith("cp ")]
    written += [b.split()[1] for b in blocks if b.startswith("+++ ")]
    python = [path for path in written if path.endswith(".py")]
    assert len(python) == 7
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        done = run(tree, [sys.executable, "-m", "ruff", *command, "--no-cache", *python])
        assert done.returncode == 0, done.stdout
