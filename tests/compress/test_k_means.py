"""Clusters of weights: NumPy alone, without any framework."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.compression.k_means import groups_of, k_means, most_values


def test_k_means_finds_what_is_there() -> None:
    rng = np.random.default_rng(1)
    centres = np.array([-2.0, -0.5, 0.3, 1.5], np.float32)
    true = rng.integers(0, 4, 2000)
    values = (centres[true] + rng.normal(0, 0.01, 2000)).astype(np.float32)
    found = k_means(values[None], 4, np.random.default_rng(0))
    np.testing.assert_array_equal(found[0], true)
    np.testing.assert_array_equal(k_means(values[None], 4, np.random.default_rng(0)), found)
    gaussian = rng.normal(0, 1, (3, 3000)).astype(np.float32)
    for row, numbers in zip(gaussian, k_means(gaussian, 8, rng), strict=True):
        # Each value is nearest to the mean of its own cluster.
        means = np.array([row[numbers == i].mean() for i in range(8)])
        nearest = np.abs(row[:, None] - means).argmin(axis=1)
        assert (nearest == numbers).mean() > 0.99
        # The spread within is near the optimum for 8 levels of a normal distribution (Max, 1960).
        assert np.square(row - means[numbers]).mean() < 1.15 * 0.03454


def test_k_means_of_few_values_and_of_zeros() -> None:
    rng = np.random.default_rng(0)
    few = np.array([[3, 1, 3, -2, 1], [0, 1, 0, -2, 1], [0, 0, 0, 0, 0]], np.float32)
    expected = [[2, 1, 2, 0, 1], [0, 2, 0, 1, 2], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(k_means(few, 3, rng), expected)
    values = np.concatenate([np.zeros((2, 50)), rng.normal(0, 1, (2, 200))], axis=1)
    numbers = k_means(values, 4, rng)
    np.testing.assert_array_equal(numbers == 0, values == 0)
    assert all(set(row) == {0, 1, 2, 3} for row in numbers)
    many = rng.choice(rng.normal(0, 1, 16), (5, 400))
    assert all(
        len(set(zip(row, found, strict=True))) == len(set(row)) == len(set(found))
        for row, found in zip(many.tolist(), k_means(many, 16, rng).tolist(), strict=True)
    )


@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 0.75, 3.0]), min_size=1, max_size=40))
def test_no_more_clusters_than_asked_for(values: list[float]) -> None:
    row = np.array([values], np.float32)
    for clusters in (2, 3, 5, 9):
        (numbers,) = k_means(row, clusters, np.random.default_rng(0))
        assert 0 <= numbers.min() <= numbers.max() < clusters
        different = len(set(values))
        assert len(set(numbers.tolist())) <= min(clusters, different)
        assert ((numbers == 0) == (row[0] == 0)).all() or 0 not in values
        if different <= clusters:  # each keeps its own
            assert len(set(zip(values, numbers.tolist(), strict=True))) == different
        order = [v for v in np.argsort(row[0], kind="stable") if row[0, v] != 0]
        assert (np.diff(numbers[order]) >= 0).all()  # clusters are contiguous


def test_groups_are_the_output_channels() -> None:
    assert groups_of((2, 3), (-1,), "tensor").tolist() == [[0, 1, 2, 3, 4, 5]]
    assert groups_of((2, 3), (-1,), "channel").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert groups_of((2, 3), (-2,), "channel").tolist() == [[0, 1, 2], [3, 4, 5]]
    depthwise = groups_of((2, 1, 2, 2), (-2, -1), "channel")
    assert depthwise.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]


@pytest.mark.parametrize(
    ("weights", "values"), [([[1, 1], [1, 1]], 1), ([[1, 2], [1, 1]], 2), ([[3, 2], [0, 1]], 2)]
)
def test_the_group_with_most_values_counts(weights: list[list[int]], values: int) -> None:
    assert most_values(np.array(weights, np.float32), groups_of((2, 2), (-1,), "channel")) == values
