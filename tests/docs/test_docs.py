"""The documentation is about the code as it is: pages, links, commands, names and tables."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tflm_ext
from tests.conftest import ROOT
from tflm_ext.cli.parser import make_parser
from tflm_ext.errors import TflmExtError
from tflm_ext.ops import OPERATORS
from tflm_ext.runtimes import RUNTIMES, NoModel
from tflm_ext.targets import boards

DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```$|^(?: {4}\S[^\n]*\n)+", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
PIO_COMMANDS = {"run", "test", "project"}


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()


@pytest.mark.parametrize("name", generator.PAGES)
def test_generated_page_is_up_to_date(name: str) -> None:
    assert text_of(generator.REFERENCE / name) == generator.PAGES[name](), "run make docs"


@pytest.mark.parametrize("path", generator.PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_up_to_date(path: Path) -> None:
    assert text_of(path) == generator.picture(path), "run make docs"


def test_the_picture_of_the_layers_shows_every_package() -> None:
    """Those of the import contract, none twice, each with a text that fits into its box."""
    layers = generator.of_checkout("docs.layers")
    held = layers.contracts()
    shown = [package for layer in held.layers for package in layer]
    folders = {p.name for p in (ROOT / "tflm_ext").iterdir() if (p / "__init__.py").is_file()}
    modules = {p.stem for p in (ROOT / "tflm_ext").glob("*.py")} - {"__init__", "__main__"}
    assert sorted(shown) == sorted(folders | modules) == sorted(layers.PACKAGES)
    assert set(layers.GROUPS) <= {layer[0] for layer in held.layers} and set(layers.FLOW) < {*shown}
    assert held.frameworks == {"convert", "compression", "qat", "sense"}
    assert set(held.runtimes) == {*RUNTIMES, NoModel.name}
    drawn = re.findall(r'<tspan class="name">(\w+)<', layers.picture())
    assert drawn == shown
    for layer in held.layers:
        for package in layer:  # in the widest of the fonts that the picture names
            width = 7.6 * len(package) + 6.1 * len(layers.PACKAGES[package]) + 28
            box = (layers.BOXES + 8) / len(layer) - 8
            assert width + 22 * (package in layers.FLOW) <= box, package


def test_the_readme_says_by_how_much_tflm_is_beaten() -> None:
    pairs = generator.of_checkout("docs.picture").comparison().values()
    fewer = [tflm.instructions / ours.instructions for tflm, ours in pairs]
    less = {
        what: [1 - getattr(ours, what) / getattr(tflm, what) for tflm, ours in pairs]
        for what in ("ram", "flash")
    }
    claim = (
        f"{min(fewer):.1f} to {max(fewer):.1f} times fewer instructions than TFLM with Arm's "
        f"CMSIS-NN kernels, with {min(less['ram']):.0%} to {max(less['ram']):.0%} less RAM and "
        f"{min(less['flash']):.0%} to {max(less['flash']):.0%} less flash"
    )
    said = " ".join(text_of(ROOT / "README.md").replace(" %", "%").split())
    assert re.sub(r"% to", " to", claim) in said


def test_the_folder_that_the_readme_shows_is_the_exported_one() -> None:
    """Every file and folder at its top, in both directions."""
    (listing,) = re.findall(
        r"^```text\ndigits/\n(.*?)^```$", text_of(ROOT / "README.md"), re.MULTILINE | re.DOTALL
    )
    shown = {Path(line.split()[0]) for line in listing.splitlines()}
    folder = ROOT / "platformio_projects" / "digits"
    assert all((folder / path).exists() for path in shown)
    hidden = {".gitignore", "platforms"}  # the latter is the emulated core, for PlatformIO
    assert {path.parts[0] for path in shown} == {path.name for path in folder.iterdir()} - hidden


def test_every_page_is_in_the_index() -> None:
    index = text_of(DOCS / "README.md")
    linked = {(DOCS / link.split("#")[0]).resolve() for link in LINK.findall(index)}
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} == linked


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(text_of(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def commands(program: str, page: Path) -> Iterator[list[str]]:
    """Every call of a program that a page shows, as words."""
    text = text_of(page)
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    lines += [" ".join(span.split()) for span in SPAN.findall(BLOCK.sub("", text))]
    for line in lines:
        for part in re.split(r"&&|\|\||[;|]", line.split(" #")[0]):
            words = part.split()
            if words[:1] == [program]:
                yield words[1:]


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    known = subcommands()
    for words in commands("tflm-ext", page):
        if not words or words[0] in {"COMMAND", "--help", "--version"}:
            continue
        assert words[0] in known, words
        options = {o for action in known[words[0]]._actions for o in action.option_strings}
        for word in words[1:]:
            assert not word.startswith("-") or word in options, words
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for words in commands("make", page):
        assert {w for w in words if "=" not in w} <= targets, words
    environments = {
        "native",
        "cortex_m4",
        "<environment>",
        "ENV",
        *(b.environment for b in boards()),
    }
    for words in commands("pio", page):
        if words:
            assert words[0] in PIO_COMMANDS, words
            if "-e" in words:
                assert words[words.index("-e") + 1] in environments, words


def test_commands_are_found() -> None:
    """Of which the test above would say nothing if it found none."""
    shown = [words for page in PAGES for words in commands("tflm-ext", page)]
    assert {words[0] for words in shown if words} >= set(subcommands())
    readme = ROOT / "README.md"
    assert [words[0] for words in commands("make", readme)][:2] == ["demo", "test"]
    assert any(words[0] == "run" for words in commands("pio", readme))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_and_files_exist(page: Path) -> None:
    text = text_of(page)
    for name in re.findall(r"\btflm_ext\.(\w+)\(", text):
        assert name in tflm_ext.__all__, name
    for block in re.findall(r"`([^`\n]+)`", text):
        if re.match(r"(tflm_ext|templates|tests|examples|docs|benchmarks)/[\w./]+$", block):
            assert (ROOT / block).exists(), block


def test_the_pages_say_nothing_of_their_makers() -> None:
    for page in PAGES:
        assert not re.search(r"/work\b|/tmp\b|/root\b|shared/", text_of(page)), page


@pytest.mark.parametrize("name", sorted({page for page, _, _ in generator.COUNTS}))
def test_what_a_page_counts_is_up_to_date(name: str) -> None:
    assert text_of(ROOT / name) == generator.counted(name), "run make docs"


def test_the_readme_counts_the_operators() -> None:
    """Those of TensorFlow Lite: TABLE, which never comes from a file, is not among them."""
    of_files = {operator.name for operator in OPERATORS} - {"TABLE"}
    assert f"[{len(of_files)} operators](docs/" in text_of(ROOT / "README.md")


def test_every_error_has_its_section() -> None:
    page = text_of(DOCS / "reference" / "errors.md")
    for error in generator._subclasses(TflmExtError):
        assert f"## {error.__name__}\n\nExit code {error.exit_code}. " in page


@pytest.mark.tool("cc")
def test_the_example_of_the_c_interface_compiles(tmp_path: Path) -> None:
    page = text_of(DOCS / "reference" / "c-interface.md")
    (example,) = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    header = ROOT / "platformio_projects" / "digits" / "lib" / "Digits" / "src"
    main = "\nint main(void) { float x[DIGITS_INPUT0_SIZE] = { 0 }; return classify(x) < 0; }\n"
    (tmp_path / "main.c").write_text(example + main, "utf-8")
    sources = [str(path) for path in header.glob("*.c")]
    flags = shlex.split("-std=c99 -Wall -Wextra -Wpedantic -Werror -o main")
    subprocess.run(
        ["cc", "main.c", *sources, "-I", str(header), *flags], cwd=tmp_path, check=True, timeout=120
    )
    subprocess.run([str(tmp_path / "main")], check=True, timeout=60)
