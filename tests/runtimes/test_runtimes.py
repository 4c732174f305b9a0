"""Properties of all runtimes; no other code may depend on which runtime was chosen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.models import image_net, recurrent_net, two_headed_net
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.errors import ConfigError
from tflm_ext.runtimes import RUNTIMES, Compiled, Runtime, Tflm, make_runtime
from tflm_ext.stages import Options, analyse, describe
from tflm_ext.targets import board

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
ALL: tuple[Runtime, ...] = (Compiled(), Tflm())

# A condition in Jinja, and words that could refer to the runtime.
JINJA = re.compile(r"{%-?\s*(?:if|elif)\b[^%]*%}|{{[^}]*\bif\b[^}]*}}")
WORDS = re.compile(r"\btflm\b|interpret|\bruntime|own_code|TFLM|COMPILED", re.ASCII)


def decisions(text: str, *, python: bool) -> list[str]:
    """Return the decisions of a template or module that depend on the runtime."""
    if python:
        kinds = (ast.If, ast.IfExp, ast.Match, ast.comprehension)
        found = [
            ast.unparse(_condition(n)) for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)
        ]
    else:
        found = JINJA.findall(text)
    return [condition for condition in found if WORDS.search(condition)]


def _condition(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.comprehension):
        return ast.Tuple(node.ifs, ast.Load())
    return node.subject if isinstance(node, ast.Match) else node.test  # type: ignore[attr-defined]


def test_decisions_on_the_runtime_are_found() -> None:
    for text in (
        "{% if not tflm or tflm.lib_deps %}",
        "{%- elif interpreted %}",
        '{{ "library" if tflm else "weights" }}',
    ):
        assert decisions(text, python=False), text
    for text in (
        "if interpreted is None: pass",
        "if a: pass\nelif options.runtime is Runtime.TFLM: pass",
        "x = 1 if report.runtime == 'tflm' else 2",
        "x = [i for i in y if runtime]",
        "match options.runtime:\n    case 1: pass",
    ):
        assert decisions(text, python=True), text
    assert not decisions("{% if for_board %}{{ runtime.link }}{% if events %}", python=False)
    assert not decisions("if skipped: runtime.plan()", python=True)


@pytest.mark.parametrize(
    "path",
    [
        *(p for p in sorted(TEMPLATES.rglob("*.j2")) if "runtimes" not in p.parts),
        ROOT / "tflm_ext/stages.py",
        *sorted((ROOT / "tflm_ext/report").glob("*.py")),
        *(ROOT / "tflm_ext/project" / f"{name}.py" for name in ("arduino", "firmware", "readme")),
        ROOT / "tflm_ext/project/platformio_tree.py",
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_only_runtimes_decide_by_the_runtime(path: Path) -> None:
    assert decisions(path.read_text("utf-8"), python=path.suffix == ".py") == []


def test_every_runtime_has_every_template() -> None:
    shared = {
        runtime.name: {
            path.name
            for path in (TEMPLATES / "runtimes" / runtime.name).glob("*.j2")
            if "extends" in path.read_text("utf-8")
            and '"model/' not in path.read_text("utf-8")
            and '"bench/' not in path.read_text("utf-8")
        }
        for runtime in ALL
    }
    names = {"README.md.j2", "example.ino.j2", "library.md.j2", "main.cpp.j2", "platformio.ini.j2"}
    assert shared == dict.fromkeys(RUNTIMES, names)


@pytest.mark.parametrize("net", [image_net, two_headed_net, recurrent_net])
@pytest.mark.parametrize("runtime", ALL, ids=lambda runtime: runtime.name)
def test_what_a_runtime_says_of_a_model_is_one_thing(runtime: Runtime, net: object) -> None:
    """The header, the facts and the report have the same sizes, taken from the footprint."""
    options = Options(name="net", board=board("nano33ble_sense"), runtime=runtime)
    analysis = analyse(Int8Model.of(net()), options)  # type: ignore[operator]
    needs, report = analysis.on_device.footprint, describe(analysis, options)
    content = report.to_dict()
    assert content["options"]["runtime"] == runtime.name
    assert content["memory"]["arena_bytes"] == needs.arena_bytes == analysis.facts.arena_bytes
    assert content["memory"]["context_bytes"] == needs.context_bytes > needs.arena_bytes
    assert content["flash"]["weight_bytes"] == needs.weight_bytes == analysis.facts.weight_bytes
    assert content["flash"]["code_bytes"] == needs.code_bytes
    assert (needs.code_bytes is None) == (needs.flash_bytes is None)
    header = next(
        file.content.decode()
        for file in analysis.on_device.sources(analysis.facts)
        if file.path == "net_model.h"
    )
    assert re.search(rf"\b{needs.arena_bytes}U?\b", header)
    parts = analysis.on_device.parts(analysis.facts)
    assert parts.runtime == runtime.name and parts.for_board


def test_what_belongs_to_one_runtime_is_refused_for_others() -> None:
    for option in ("tflm_source", "encoding"):
        with pytest.raises(ConfigError, match=f"{option} has no effect with runtime='compiled'"):
            make_runtime("compiled", **{option: "auto"})  # type: ignore[arg-type]
    assert make_runtime("tflm", encoding="auto").encoding == "auto"
    assert make_runtime("tflm", encoding=iter(["lut", "huffman"])).encoding == ("lut", "huffman")
    for runtime in ALL:
        assert make_runtime(runtime.name) == runtime
