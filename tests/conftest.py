"""What all tests share: tools that may be missing, golden files, and a clean checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tflm_ext.convert import one_child
from tflm_ext.passes.run import STRICT_VARIABLE
from tflm_ext.warm import warm_python

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
collect_ignore = ["projects"]  # exported projects have their own tests
REQUIRE_ALL = os.environ.get("TFLM_EXT_REQUIRE_ALL") == "1"

# A skip whose reason names one of these is a skip for a missing tool, as one by the mark is.
TOOLS = (
    "arduino-builder",
    "arduino-ctags",
    "arm-none-eabi",
    "cc",
    "clang",
    "cmake",
    "cppcheck",
    "espeak-ng",
    "gcc",
    "qemu-system-arm",
)
_TOOL = re.compile(rf"missing tool|(?<![\w-])({'|'.join(map(re.escape, TOOLS))})(?!\w)")

# A rewrite of the graph that fails is left out of a user's export; here it fails the test, in
# child processes, too.
os.environ[STRICT_VARIABLE] = "1"

# How long one example takes says something about the machine only.
hypothesis.settings.register_profile("tflm_ext", deadline=None)
hypothesis.settings.load_profile("tflm_ext")


@pytest.fixture(scope="session", autouse=True)
def _one_child() -> Iterator[None]:
    """All conversions of this process share a child, since TensorFlow takes seconds to start.

    So do all runs of TFLM. What has to have one of its own runs in an empty contextvars.Context().
    """
    with one_child(), warm_python():
        yield


@pytest.fixture(scope="session")
def keras() -> Any:
    import keras

    return keras


@pytest.fixture(scope="session")
def tf_keras() -> Any:
    import tf_keras

    return tf_keras


@pytest.fixture(scope="session", params=["keras", "tf_keras"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden instead of comparing"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    programs = [program for mark in item.iter_markers("tool") for program in mark.args]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"missing tool: {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if REQUIRE_ALL and report.skipped and _missing_tool(report):
        report.outcome = "failed"
        report.longrepr = f"TFLM_EXT_REQUIRE_ALL=1, but {report.longrepr[2]}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _print_minutes(terminalreporter)
    skipped = [r for r in terminalreporter.stats.get("skipped", ()) if _missing_tool(r)]
    if skipped:
        terminalreporter.write_sep("-", "missing tools")
        terminalreporter.write_line(
            f"{len(skipped)} tests were skipped for want of a tool. To run them, too:"
        )
        terminalreporter.write_line("    make system-packages")


def _print_minutes(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the time of a long run went: minutes of one process, by folder."""
    spent: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent["/".join(report.nodeid.split("/")[:2]).split("::")[0]] += report.duration / 60
    if sum(spent.values()) > 2:
        rows = sorted(spent.items(), key=lambda row: -row[1])
        terminalreporter.write_sep("-", "minutes by folder")
        terminalreporter.write_line(", ".join(f"{name} {own:.1f}" for name, own in rows))


def _missing_tool(report: pytest.TestReport) -> bool:
    return isinstance(report.longrepr, tuple) and bool(_TOOL.search(report.longrepr[2]))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, bytes]], None]:
    """Compare a tree of files with tests/golden/<name>; --update-golden writes it instead."""

    def compare(name: str, files: Mapping[str, bytes]) -> None:
        folder = GOLDEN / name
        if request.config.getoption("--update-golden"):
            shutil.rmtree(folder, ignore_errors=True)
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        committed = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert sorted(files) == sorted(committed)
        for path, content in files.items():
            assert content == committed[path], f"{name}/{path}: see pytest --update-golden"

    return compare


@pytest.fixture(scope="session", autouse=True)
def _clean_checkout(request: pytest.FixtureRequest) -> Iterator[None]:
    """In CI, the tests leave the checkout as they found it."""
    watched = REQUIRE_ALL and not request.config.getoption("--update-golden")
    before = _git_status() if watched else ""
    yield
    if watched:
        assert _git_status() == before, "a test wrote into the checkout"


def _git_status() -> str:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return ""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
