"""The two kernels for functions of one value, and when each is used."""

from __future__ import annotations

import pytest

from tests.harness import assert_exact
from tests.ops.elementwise import unary


@pytest.mark.parametrize(
    ("model", "kernel"),
    [
        (unary("RELU", 0.05, -3, 0.05, -3), "limit"),
        (unary("RELU6", 0.05, -3, 0.1, 4), "limit"),
        (unary("RELU", 0.05, -3, 0.06, -3), "lookup"),
        (unary("QUANTIZE", 0.05, -3, 0.05, 2), "lookup"),
    ],
)
def test_chooses_a_kernel(model: bytes, kernel: str) -> None:
    plan = assert_exact(model, c=False)
    assert [step.kernel.name for step in plan.steps] == [kernel]


def test_works_in_place() -> None:
    plan = assert_exact(unary("ABS", 0.05, -3, 0.05, 2), c=False)
    assert plan.arena_bytes == 256
