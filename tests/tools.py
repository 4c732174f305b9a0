"""Programs that tests run: their own interpreter, and what may be missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

import pytest


def run_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in a separate interpreter; options as for subprocess.run()."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def require_tool(*programs: str) -> None:
    """Skip the running test when a program is missing; fail with TFLM_EXT_REQUIRE_ALL=1.

    For tests that find out late. The mark `tool` says the same of a whole test.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"missing tool: {', '.join(missing)}"
    if os.environ.get("TFLM_EXT_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
