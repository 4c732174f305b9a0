"""The intervals have the stated coverage, and agree with the formulas."""

from __future__ import annotations

import numpy as np
import pytest

from tflm_ext.verify.intervals import mean_interval, paired_interval


def pairs(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, lost, gained, neither)
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


@pytest.mark.parametrize(
    ("counts", "significant"),
    [
        ((90, 10, 0, 0), True),
        ((19, 1, 0, 0), False),
        ((97, 3, 0, 0), False),
        ((970, 30, 0, 0), True),
        ((900, 40, 20, 40), True),
        ((880, 30, 25, 65), False),
        ((5, 5, 0, 0), True),
        ((0, 0, 0, 20), False),
        ((20, 0, 0, 0), False),
    ],
)
def test_which_losses_are_more_than_chance(
    counts: tuple[int, int, int, int], significant: bool
) -> None:
    low, high = paired_interval(*pairs(*counts))
    difference = (counts[1] - counts[2]) / sum(counts)
    assert low <= difference <= high
    assert (low > 0) is significant


def test_a_gain_is_the_mirror_of_a_loss() -> None:
    low, high = paired_interval(*pairs(80, 12, 3, 5))
    assert paired_interval(*pairs(80, 3, 12, 5)) == pytest.approx((-high, -low))


@pytest.mark.parametrize("count", [40, 200])
@pytest.mark.parametrize(("right", "lost"), [(0.95, 0.02), (0.9, 0.08), (0.7, 0.2)])
def test_the_interval_of_pairs_covers_the_truth(count: int, right: float, lost: float) -> None:
    generator = np.random.default_rng(3)
    cover = 0
    for _ in range(400):
        before = generator.random(count) < right
        after = np.where(before, generator.random(count) >= lost, generator.random(count) < 0.1)
        low, high = paired_interval(before, after.astype(bool))
        cover += low <= right * lost - (1 - right) * 0.1 <= high
    assert cover / 400 > 0.92


def test_the_interval_of_a_mean() -> None:
    assert mean_interval(np.full(50, 0.25)) == (0.25, 0.25)
    low, high = mean_interval(np.tile([-1.0, 3.0], 200))
    assert low == pytest.approx(1 - 1.96 * 2 / 20, abs=1e-3)
    assert high == pytest.approx(1 + 1.96 * 2 / 20, abs=1e-3)
