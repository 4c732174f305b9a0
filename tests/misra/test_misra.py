"""The generated C and the kernels break no other rule of MISRA C than those that are published.

Cppcheck's addon says which rules are broken; docs/reference/misra.md lists them with a reason.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.facts import with_labels
from tests.harness import facts_for
from tests.ops.test_conv_2d import conv_2d
from tests.ops.test_unidirectional_sequence_lstm import lstm
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import read_graph
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "templates" / "kernels"
LIST = ROOT / "docs" / "reference" / "misra.md"
MODELS = {"image": (conv_2d(), ("no", "yes")), "series": (lstm(), ())}

pytestmark = [pytest.mark.slow, pytest.mark.tool("cppcheck")]


def listed() -> set[str]:
    """The rules of the table, by their numbers."""
    return set(re.findall(r"^\| (\d+\.\d+) \|", LIST.read_text("utf-8"), re.MULTILINE))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Where each rule is broken, by its number: all kernels, and two generated models."""
    folder = tmp_path_factory.mktemp("misra")
    headers = sorted(path.name for path in KERNELS.glob("*.h"))
    for path in headers:
        (folder / "tflm_ext").mkdir(exist_ok=True)
        (folder / "tflm_ext" / path).write_bytes((KERNELS / path).read_bytes())
    includes = "".join(f'#include "tflm_ext/{path}"\n' for path in headers)
    (folder / "kernels.c").write_text(includes, "utf-8")
    for name, (model, labels) in MODELS.items():
        graph = read_graph(model, name)
        plan = make_plan(run_passes(graph).graph)
        facts = with_labels(facts_for(model, graph, plan, name), labels)
        for file in model_files(facts, plan):
            (folder / file.path).parent.mkdir(exist_ok=True)
            (folder / file.path).write_bytes(file.content)
    return broken_rules(folder)


def broken_rules(folder: Path) -> dict[str, set[str]]:
    command = (
        *("cppcheck", "--addon=misra", "--std=c99", "--enable=style", "--quiet", "-j2"),
        *("--template={file}:{line}: {id}", "."),
    )
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rules: dict[str, set[str]] = {}
    pattern = r"^(\S+:\d+): misra-c2012-(\d+\.\d+)$"
    for place, rule in re.findall(pattern, done.stderr, re.MULTILINE):
        rules.setdefault(rule, set()).add(place)
    return rules


def test_no_rule_is_broken_that_is_not_listed(found: dict[str, set[str]]) -> None:
    assert {rule: where for rule, where in found.items() if rule not in listed()} == {}


def test_every_listed_rule_is_broken(found: dict[str, set[str]]) -> None:
    """A deviation that is gone leaves the list, too."""
    assert listed() - set(found) == set()


def test_the_addon_finds_what_is_wrong(tmp_path: Path) -> None:
    source = "int f(int a);\nint f(int a)\n{\n    goto end;\nend:\n    return a;\n}\n"
    (tmp_path / "wrong.c").write_text(source, "utf-8")
    assert "15.1" in broken_rules(tmp_path)
