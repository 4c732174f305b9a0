"""What conftest.py promises: rules for missing tools, and quick tests that start quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools import run_python

SUITE = """
import pytest

@pytest.mark.tool("no-such-compiler")
def test_marked():
    pass

def test_by_hand():
    pytest.skip("needs qemu-system-arm")

def test_for_another_reason():
    pytest.skip("no model here")
"""


def run(folder: Path, require_all: bool) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    tool: programs\n")
    environment = {**os.environ, "TFLM_EXT_REQUIRE_ALL": "1" if require_all else ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_missing_tools_skip_and_the_end_names_the_command(tmp_path: Path) -> None:
    result = run(tmp_path, require_all=False)
    assert result.returncode == 0
    assert "3 skipped" in result.stdout
    assert "2 tests were skipped for want of a tool" in result.stdout
    assert "make system-packages" in result.stdout


def test_missing_tools_fail_where_all_are_required(tmp_path: Path) -> None:
    result = run(tmp_path, require_all=True)
    assert result.returncode == 1
    assert "1 failed, 1 skipped, 1 error" in result.stdout
    assert "TFLM_EXT_REQUIRE_ALL=1, but Skipped: needs qemu-system-arm" in result.stdout


@pytest.mark.slow
def test_the_quick_tests_are_collected_without_a_framework() -> None:
    """Which takes seconds to import, in each process that runs tests."""
    done = run_python(
        "import sys, pytest\n"
        "assert pytest.main(['-q', '--collect-only', '-m', 'not slow', 'tests']) == 0\n"
        "sys.exit(str({'keras', 'tensorflow', 'tf_keras'} & set(sys.modules)))",
        cwd=ROOT,
    )
    assert done.stderr == "set()\n", done.stdout[-2000:]
