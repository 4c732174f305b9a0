"""Targets in all forms that users have them, and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tflm_ext.errors import ConfigError
from tflm_ext.options import Labels
from tflm_ext.verify.accuracy import scoring_for
from tflm_ext.verify.targets import Wanted, by_output

LABELS = ("cat", "dog", "cow")
NUMBERS = np.array([2, 0, 1, 1])


class Series:
    """What pandas' objects have in common with arrays."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.values, dtype=dtype)

    def __len__(self) -> int:
        return len(self.values)


@pytest.mark.parametrize(
    "given",
    [
        [2, 0, 1, 1],
        (2, 0, 1, 1),
        np.array([2.0, 0, 1, 1]),
        np.array([2, 0, 1, 1], object),
        ["cow", "cat", "dog", "dog"],
        ["cow ", " cat", "dog", "dog"],
        np.array([b"cow", b"cat", b"dog", b"dog"]),
        np.array(["cow", "cat", "dog", "dog"], object),
        Series([2, 0, 1, 1]),
        Series(["cow", "cat", "dog", "dog"]),
        np.ma.array([2, 0, 1, 1], mask=[False] * 4),
    ],
)
def test_class_numbers_and_names(given: Any) -> None:
    (found,) = by_output(given, ["out"], [LABELS])
    np.testing.assert_array_equal(found, NUMBERS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: iter([2, 0, 1, 1]),
        lambda: (n for n in (2, 0, 1, 1)),
        lambda: lambda: iter(["cow", "cat", "dog", "dog"]),
        lambda: (row for row in NUMBERS[:, np.newaxis]),
    ],
)
def test_what_can_be_read_once(make: Callable[[], Any]) -> None:
    wanted = Wanted(make(), Labels(LABELS))
    data = {"test_data": [np.zeros((4, 5))]}
    (found,) = wanted.check(["out"], [(1, 3)], data)
    assert found is not None
    np.testing.assert_array_equal(found.ravel(), NUMBERS)


@pytest.mark.slow
def test_a_dataset() -> None:
    import tensorflow as tf

    (found,) = by_output(tf.data.Dataset.from_tensor_slices(NUMBERS), ["out"])
    np.testing.assert_array_equal(found, NUMBERS)


@pytest.mark.parametrize(
    ("given", "labels", "text"),
    [
        (
            ["cow", "pig"],
            LABELS,
            "include 'pig', which is not a label.\nThe labels are cat, dog, cow.",
        ),
        (["cow", "cat"], (), "are class names, but there are no labels.\nPass labels="),
        ([1, None], LABELS, "include NaN or infinity"),
        ([1, "cow"], LABELS, "include '1', which is not a label"),
        ([{}, {}], LABELS, "include '{}', which is not a number"),
        (3, LABELS, "are one value, not one for each sample"),
        ("cow", LABELS, "are one value, not one for each sample"),
        ([1, float("nan")], LABELS, "include NaN or infinity"),
        ([1j, 2j], LABELS, "are complex128, not numbers"),
        (np.array(["2026-01-01"], "datetime64[D]"), LABELS, "are datetime64[D], not numbers"),
        (np.ma.array([1, 2], mask=[True, False]), LABELS, "are masked.\nLeave out samples"),
        (object(), LABELS, "are one value, not one for each sample"),
    ],
)
def test_refused(given: Any, labels: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        by_output(given, ["out"], [labels])
    assert f"The targets of output 'out' {text}" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "size", "good"),
    [
        ((), 5, True),
        (LABELS, 3, True),
        (LABELS, 2, False),
        (("no", "yes"), 1, True),
        (("no",), 2, False),
    ],
)
def test_labels_and_values(labels: tuple[str, ...], size: int, good: bool) -> None:
    wanted = Wanted(labels=Labels(tuple(labels)))
    if good:
        assert wanted.check(["out"], [(1, size)], {}) == ()
    else:
        with pytest.raises(ConfigError, match=f"labels has {len(labels)} names"):
            wanted.check(["out"], [(1, size)], {})


def test_one_probability_of_two_classes() -> None:
    data = {"test_data": [np.zeros((3, 2))]}
    (found,) = Wanted(["yes", "no", "yes"], Labels(("no", "yes"))).check(["out"], [(1, 1)], data)
    scoring = scoring_for(found, 3, (1,))
    assert scoring.score(np.array([[0.5], [0.49], [0.2]])) == pytest.approx(2 / 3)


def test_targets_that_do_not_match_are_named_early() -> None:
    data = {"test_data": [np.zeros((4, 5))]}
    with pytest.raises(ConfigError, match="do not match output 'b' with 3 values"):
        Wanted({"b": [3, 0, 0, 0]}).check(["a", "b"], [(1, 2), (1, 3)], data)
    with pytest.raises(ConfigError, match="has 4 inputs, but 3 targets"):
        Wanted([0, 1, 1]).check(["a"], [(1, 2)], data)


MASK = np.array([[[0, 1], [2, 2]], [[1, 1], [0, 2]]])  # two pictures of 2x2, three classes


@pytest.mark.parametrize("form", ["numbers", "channel", "one-hot"])
def test_masks_of_pictures(form: str) -> None:
    targets = {"numbers": MASK, "channel": MASK[..., None], "one-hot": np.eye(3)[MASK]}[form]
    scoring = scoring_for(targets, 2, (2, 2, 3))
    assert scoring.metric == "accuracy"
    rows = np.eye(3)[MASK].reshape(2, -1)
    assert scoring.score(rows) == 1.0
    rows[0, :3] = [0, 0, 9]  # one of eight positions
    np.testing.assert_allclose(scoring.outcomes(rows), [0.75, 1.0])


def test_masks_of_two_classes() -> None:
    scoring = scoring_for(MASK[:, :, :] > 1, 2, (2, 2, 1))
    assert scoring.metric == "accuracy"
    assert scoring.score(np.where(MASK > 1, 0.6, 0.4).reshape(2, -1)) == 1.0
    assert scoring_for(MASK / 2.0, 2, (2, 2, 1)).metric == "mean_absolute_error"
