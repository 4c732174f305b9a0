"""Tests that need a program and find out late, or only some of them, say so here.

The mark `tool` says the same for a whole test.
"""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(*programs: str) -> None:
    """Skip the running test when a program is missing; fail with TFLM_EXT_REQUIRE_ALL=1."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"missing tool: {', '.join(missing)}"
    if os.environ.get("TFLM_EXT_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
