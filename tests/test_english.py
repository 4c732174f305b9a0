"""Wording that reads as if translated must not come back: a list of patterns, and what to write.

It covers the documentation, the strings, docstrings and comments of all Python, the templates, and
generated text.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.models import image_net, recurrent_net
from tflm_ext import export


class Rule(NamedTuple):
    """A wording to avoid.

    Attributes:
        words: one of them, separated by "|", is in every match: a quick test before the pattern.
        pattern: a regular expression.
        instead: what to write.
    """

    words: str
    pattern: str
    instead: str


RULES = (
    Rule(
        " no ",
        r"(?<!here )\b(is|are|was|were) no "
        r"(?!longer|larger|smaller|more|less|fewer|later|such|good)\w+",
        "'X is not a folder', 'X is not an integer'",
    ),
    Rule("mend", r"\bmend(s|ed|ing)?\b", "fix"),
    Rule("whom|whoever|obody", r"\bwhom\b|\bwhoever\b|\b[Nn]obody\b", "name who or what it is"),
    Rule("ho ", r"\b[Ww]ho (wants|lacks|needs)\b", "'To ..., do ...' or 'If you ..., do ...'"),
    Rule("otherwise than", r"\botherwise than\b", "differently from"),
    Rule(
        " than",
        r"\banother (\w+ )?than\b|\bother \w+ than\b",
        "'a different ... from' or '... other than'",
    ),
    Rule("so many", r"\bso many\b", "this many, that many"),
    Rule(
        "behind",
        r"(?<!left )(?<!nothing )(?<!folder )\bbehind\b(?! (the C|the same C|the scenes|a pseudo))",
        "after, beyond, inside",
    ),
    Rule(
        "border",
        r"\b(float|uint8|model's|of the) borders?\b|\bborders? of (the|a) model\b",
        "inputs and outputs",
    ),
    Rule("too much good", r"\btoo much good\b", "is too optimistic"),
    Rule(" back", r"\b[Gg]iv(e|es|ing) (it |them |\w+ )?back\b", "return, restore, recover"),
    Rule("anew", r"\banew\b", "again, from scratch"),
    Rule("ll else", r"\b[Aa]ll else\b", "everything else"),
    Rule("right classes", r"\bright classes\b", "correct classes; their share is the accuracy"),
    Rule("here to go on", r"\b[Ww]here to go on\b", "next steps"),
    Rule("he way of the", r"\b[Tt]he way of the\b", "the data flow, the path of"),
    Rule(" over", r"\b(is|are|was|were|be) over[.;,]", "finished, done"),
    Rule("at the export", r"\bat the export\b", "during the export"),
    Rule("at batch 1", r"\bat batch 1\b", "with batch size 1"),
    Rule(" be had", r"\b(can|to) be had\b", "available"),
    Rule(
        "tand",
        r"\b[Ss]tands? (below|under|above|there|on|alone|between|what|how|where|the|in (?!for\b))",
        "is below, is in the report",
    ),
    Rule(
        "lie|lay",
        r"\b(lie|lies|lay) (there|in|inside|where|side|at)\b|\bas (it|they) (lie|lies)\b",
        "is in the folder, is located at",
    ),
    Rule(
        " own",
        r"\bof (its|their|your|our|my) own\b(?=[.,;:)!?]|$| (that|which|and|at|in|keeps|once)\b)",
        "its own process, a separate process, a custom kernel",
    ),
    Rule("less one", r"\bless one\b", "minus 1"),
    Rule(" whose", r"\b(for|in|of|with|to|by|from) whose\b", "two clauses: '... for its core'"),
    Rule("eside", r"(?<!`)\b[Bb]eside\b", "next to, together with, in addition to"),
    Rule("body", r"\b([Aa]ny|[Ee]very|[Ss]ome)body\b", "anyone, everyone, someone; a program"),
    Rule("by itself", r"\bby itself\b", "itself, on its own, automatically"),
    Rule("goes on", r"\bgoes on\b", "continues, resumes"),
    Rule("needs to be", r"\b(slower|larger) than it needs to be\b", "too slow, too large"),
    Rule("at the least", r"\bat the least\b", "at least"),
    Rule("_bytes", r"\bbytes of \w+_bytes\b", "bytes of RAM, bytes of flash"),
    Rule("how messages call", r"\bhow messages call\b", "the name that messages use for"),
    Rule(" taken off", r"\b(is|are) taken off\b", "removed"),
    Rule("be asked for", r"\bto be asked for\b", "required"),
    Rule("one after the other", r"\bone after the other\b", "one after another"),
    Rule("there twice", r"\bthere twice\b", "is duplicated"),
    Rule("did not end", r"\bdid not end\b", "did not finish"),
    Rule(
        "n the order in which",
        r"\b[Ii]n the order in which (they|it) runs?\b",
        "in execution order",
    ),
    Rule("of ours", r"\b(a|an|no) \w+ of ours\b|\bis ours\b", "our own, of tflm_ext"),
    Rule("left as it is", r"\bis left as it is\b", "is not changed"),
    Rule("as it is|as they are", r"\b(stays? as it is|stay as they are)\b", "is not changed"),
    Rule("share bytes while", r"\bshare bytes while\b", "overlap while"),
    Rule(" known of", r"\bis known of\b", "is known about"),
)
COMPILED = [(rule.words.split("|"), re.compile(rule.pattern), rule.instead) for rule in RULES]

FOLDERS = (
    "docs",
    "tflm_ext",
    "templates",
    "tests",
    "benchmarks",
    "examples",
    "platformio_projects",
)
PROSE = {".md", ".j2", ".c", ".h", ".cpp", ".hpp", ".ino", ".ini", ".toml", ".cfg", ".json", ".svg"}
NUMBERS = re.compile(r"^[-\d\s,]{60,}$", re.MULTILINE)  # rows of tables
# Results, this list, and projects that stay as an older version exported them.
NOT_OURS = ("benchmarks/compression/results/", "tests/test_english.py", "tests/projects/")


def files() -> list[str]:
    """All texts, by their path below the root."""
    found = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "setup.cfg"]
    for folder in FOLDERS:
        found += (p for p in (ROOT / folder).rglob("*") if p.suffix in {*PROSE, ".py"})
    names = (path.relative_to(ROOT).as_posix() for path in sorted(found) if path.is_file())
    return [name for name in names if "/.pio/" not in name and not name.startswith(NOT_OURS)]


def texts(path: Path) -> Iterator[str]:
    """The strings and comments of Python, or everything else as one text, without line breaks."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        prose = NUMBERS.sub("", source)
        yield " ".join(re.sub(r"^[ \t]*(//|#+|\*+)", "", prose, flags=re.MULTILINE).split())
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())
    yield from comments(source)


def comments(source: str) -> Iterator[str]:
    """Comments of Python; those on consecutive lines are one."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] != last + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    yield " ".join(block)


@cache
def complaints(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """What is wrong with the wording of a file, by its path below the root."""
    found = []
    for text in texts(root / name):
        for words, pattern, instead in COMPILED:
            for match in pattern.finditer(text) if any(w in text for w in words) else ():
                around = text[max(0, match.start() - 40) : match.end() + 40]
                found.append(f"{name}: '...{around}...': write: {instead}")
    return tuple(found)


def test_the_wording_is_plain() -> None:
    found = [line for name in files() for line in complaints(name)]
    assert not found, "\n".join(found)


@pytest.mark.tool("cc")
@pytest.mark.parametrize("runtime", ["compiled", "tflm"])
@pytest.mark.parametrize("net", [image_net, recurrent_net])
def test_the_wording_of_generated_text_is_plain(
    net: Callable[[], bytes], runtime: str, tmp_path: Path
) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(net())
    project = export(model, tmp_path / "net", runtime=runtime, progress=False).folder
    written = [p.relative_to(project) for p in project.rglob("*") if p.suffix in {*PROSE, ".py"}]
    assert {path.suffix for path in written} >= {".h", ".cpp", ".ino", ".ini", ".md", ".py"}
    found = [line for path in written for line in complaints(path.as_posix(), project)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "X is no folder.",
        "how to mend it",
        "There is nobody whom it concerns.",
        "the layer behind it",
        "so many values",
        "says too much good",
        "needs 12 bytes of ram_bytes",
        "The file is made anew.",
        "It has a kernel of its own.",
        "planned for whose core",
        "the text beside it",
        "from 0 to the size less one",
        "the data lies in the arena",
    ],
)
def test_the_list_finds(text: str) -> None:
    assert any(pattern.search(text) for _, pattern, _ in COMPILED)


@pytest.mark.parametrize(
    "text",
    [
        "There is no folder.",
        "It is no longer used, and is no larger than 4.",
        "Nothing is left behind.",
        "an amendment; recommended",
        "It stands in for the real one, and stands for a table.",
        "one of our own models; besides this, the value lies between 0 and 1",
    ],
)
def test_the_list_leaves_alone(text: str) -> None:
    assert not any(pattern.search(text) for _, pattern, _ in COMPILED)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.words)
def test_the_words_of_a_rule_are_part_of_its_pattern(rule: Rule) -> None:
    plain = re.sub(r"\\b|\(\?[<!=]+[^)]*\)", "", rule.pattern)
    for word in rule.words.split("|"):
        assert word.strip() in plain


def test_texts_are_found_across_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("It is\nno folder.\n", "utf-8")
    code = tmp_path / "code.py"
    code.write_text('# one\n# two\nx = ("is "\n  "no y")\n', "utf-8")
    assert list(texts(page)) == ["It is no folder."]
    assert set(texts(code)) == {"is no y", "one two"}
