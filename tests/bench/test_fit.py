"""The planner's estimates, compared with what is measured."""

from __future__ import annotations

import pytest

from benchmarks.bench import FLAGS, SMALL, errors, fit
from tests.plan.test_choice import PROJECTS
from tflm_ext.bench import bench
from tflm_ext.options import Optimize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]


def test_estimates_are_within_ten_percent() -> None:
    found = [
        error
        for path in PROJECTS
        for optimize in Optimize
        for error in errors(path, bench(path, optimize=optimize.value, flags=FLAGS))
    ]
    for unit in ("instructions", "cycles", "flash", "code", "RAM"):
        own = [error.relative for error in found if error.unit == unit]
        assert own and sum(own) / len(own) < 0.1, unit
    assert [e for e in found if e.unit == "RAM" and e.estimated != e.measured] == []
    assert {line.partition(":")[0] for line in fit(found)} >= {"instructions", "cycles"}
    assert any(error.measured > SMALL for error in found if error.unit == "cycles")
