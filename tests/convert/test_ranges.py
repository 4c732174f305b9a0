"""Each warning appears where it should and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tflm_ext.convert.ranges import few_samples, saturates, unscaled

PIXELS = np.linspace(0, 1, 1000).reshape(100, 10)


def test_few_samples() -> None:
    assert list(few_samples(100)) == []
    (text,) = few_samples(99)
    assert text == (
        "calibration_data has 99 samples; with fewer than 100, the ranges of the layers are only "
        "a guess."
    )


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0, 0.1])
def test_data_in_range(factor: float) -> None:
    assert list(unscaled("image", "test_data", factor * PIXELS, 1 / 255, -128)) == []


@pytest.mark.parametrize("factor", [255, 1 / 255])
def test_data_of_another_scale(factor: float) -> None:
    (text,) = unscaled("image", "test_data", factor * PIXELS, 1 / 255, -128)
    assert "Were both scaled in the same way?" in text
    assert "'image'" in text


def test_outliers() -> None:
    data = np.concatenate([PIXELS.ravel() / 20, np.full(100, 0.001), [1.0]])
    (text,) = unscaled("image", "calibration_data", data, 1 / 255, -128)
    assert text == (
        "A few outliers set the range of input 'image': 99.8 % of calibration_data share 13 of"
        " the 256 steps; clip or scale the data."
    )


def test_constant_data_has_no_outliers() -> None:
    assert list(unscaled("image", "test_data", np.ones((9, 9)), 1 / 255, -128)) == []


def test_saturation() -> None:
    logits = np.linspace(-10, 10, 1000)
    (text,) = saturates("scores", logits, 0.05, 0)
    assert text == (
        "Output 'scores' saturates: 37 % of its values are at or beyond the limits of "
        "its int8 range, -6.4 to 6.35."
    )


@pytest.mark.parametrize(("beyond", "count"), [(8, 100), (7, 100), (8, 160), (9, 160)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_several_values_and_more_than_a_twentieth_saturate(
    beyond: int, count: int, sign: int
) -> None:
    values = sign * np.repeat([100.0, 1.0], [beyond, count - beyond])
    found = list(saturates("scores", values, 0.05, 0))
    assert bool(found) == (beyond >= 8 and beyond > count / 20)


@pytest.mark.parametrize(("value", "warned"), [(6.325, True), (6.32, False), (-6.375, True)])
def test_the_last_step_of_a_range_counts_as_saturated(value: float, warned: bool) -> None:
    assert bool(list(saturates("scores", np.full(100, value), 0.05, 0))) == warned


def test_a_range_that_fits_does_not_saturate() -> None:
    assert list(saturates("scores", np.linspace(-10, 10, 1000), 20 / 255, 0)) == []


@pytest.mark.parametrize(
    ("values", "scale", "zero_point"),
    [
        (np.repeat([0.0, 1.0], 50), 1 / 256, -128),
        (np.repeat([-1.0, 1.0], 50), 1 / 128, 0),
        (np.repeat([0.0, 3.0], 50), 6 / 255, -128),
        (np.array([-5.0, 0.0, 5.0]), 10 / 255, 0),
    ],
    ids=["softmax", "tanh", "relu", "few values"],
)
def test_natural_ends_do_not_saturate(
    values: np.ndarray[Any, Any], scale: float, zero_point: int
) -> None:
    assert list(saturates("scores", values, scale, zero_point)) == []
