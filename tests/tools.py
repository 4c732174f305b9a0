"""Tests that need a program say so here."""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(*programs: str) -> None:
    """Skip the running test when a program is missing; fail with TFLM_EXT_REQUIRE_ALL=1."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"{', '.join(missing)} not found: run make system-packages"
    if os.environ.get("TFLM_EXT_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
