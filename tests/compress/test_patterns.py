"""Which weights become zero, and when: NumPy alone, without any framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.compression.patterns import BLOCK, Units, scheduled

PATTERNS = ("1x4", "2:4", "unstructured")


def kept(rows: Any, pattern: str, part: float) -> Any:
    """The rows with what is not kept set to zero; `part` is that of what can become zero."""
    weights = np.asarray(rows, np.float32)
    units = Units.of(weights, pattern)
    return weights * units.keep(units.wanted(part), weights.shape[1])


def test_blocks_of_four_of_least_magnitude_go() -> None:
    rows = [[1, 1, 1, 1, 9, 0, 0, 0], [2, 2, 2, 2, -1, -1, -1, 0.5]]
    assert kept(rows, "1x4", 0.25).tolist() == [
        [1, 1, 1, 1, 9, 0, 0, 0],
        [2, 2, 2, 2, 0, 0, 0, 0],
    ]
    assert kept(rows, "1x4", 0.5).tolist() == [[0, 0, 0, 0, 9, 0, 0, 0], [2, 2, 2, 2, 0, 0, 0, 0]]


def test_two_of_four_go() -> None:
    rows = [[1, -4, 3, 2], [0, 0, 0, 5], [-1, -2, -3, -4]]
    assert kept(rows, "2:4", 1).tolist() == [[0, -4, 3, 0], [0, 0, 0, 5], [0, 0, -3, -4]]


def test_single_weights_of_least_magnitude_go() -> None:
    assert kept([[1, -4, 3], [2, 0.5, -6]], "unstructured", 0.5).tolist() == [
        [0, -4, 3],
        [0, 0, -6],
    ]


def test_a_last_block_that_is_not_full() -> None:
    """It counts as it is for "1x4", and as if filled with zeros for "2:4"."""
    rows = np.array([[5, 5, 5, 5, 1, 2]], np.float32)
    assert Units.of(rows, "1x4").sizes.tolist() == [[4, 2]]
    assert kept(rows, "1x4", 0.3).tolist() == [[5, 5, 5, 5, 0, 0]]
    assert Units.of(rows, "2:4").sizes.tolist() == [[2, 0]]
    assert (kept(rows, "2:4", 1)[0, 4:] == [1, 2]).all()


def test_one_unit_always_stays_unless_all_has_to_go() -> None:
    units = Units.of(np.ones((1, 12), np.float32), "1x4")
    assert [units.wanted(part) for part in (0, 0.01, 0.5, 0.75, 0.99, 1)] == [0, 1, 6, 8, 8, 12]
    # 0.75 * 36 in floats is a little more than 27.
    assert Units.of(np.ones((1, 36), np.float32), "unstructured").wanted(0.75) == 27


def test_zeros_that_are_there_count() -> None:
    rows = np.array([[0, 0, 0, 0, 1, 0, 0, 0]], np.float32)
    assert Units.of(rows, "1x4").zeros() == 4
    assert Units.of(rows, "unstructured").zeros() == 7
    assert Units.of(rows, "2:4").zeros() == 4


@given(
    st.integers(0, 5),
    st.sampled_from(PATTERNS),
    st.floats(0, 0.99),
    st.integers(1, 4),
    st.integers(BLOCK, 11),
)
def test_at_least_what_is_wanted_and_a_block_more_at_most(
    seed: int, pattern: str, part: float, count: int, channels: int
) -> None:
    rows = np.random.default_rng(seed).uniform(0.1, 1, (count, channels)).astype(np.float32)
    units = Units.of(rows, pattern)
    wanted = units.wanted(part)
    keep = units.keep(wanted, channels)
    gone = int((~keep).sum())
    assert wanted <= gone < wanted + BLOCK or (wanted == gone == 0)
    assert keep.any()
    if 0 < gone and pattern == "unstructured":
        assert rows[~keep].max() <= rows[keep].min()


def test_the_schedule_is_cubic() -> None:
    assert [scheduled(epoch, 1, 4) for epoch in range(7)] == pytest.approx(
        [0, 1 - 0.75**3, 1 - 0.5**3, 1 - 0.25**3, 1, 1, 1]
    )
    assert [scheduled(epoch, 2, 2) for epoch in range(4)] == [0, 0, 1, 1]
