"""Features that int8 resolves badly are named by index; good inputs give no word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tflm_ext.convert.features import REMEDY, Coarse, coarse_features, listed
from tflm_ext.convert.ranges import always_the_same, unscaled

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(7)
DATA = "calibration_data"


def quantisation(data: Array) -> tuple[float, int]:
    """What the converter chooses for data: a range that includes 0, in 255 steps."""
    low, high = min(0.0, float(data.min())), max(0.0, float(data.max()))
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


def found(data: Array) -> Coarse:
    return coarse_features("x", DATA, data.astype(np.float32), *quantisation(data))


def outliers(data: Array) -> list[str]:
    return list(unscaled("x", DATA, data.astype(np.float32), *quantisation(data)))


def normal(*shape: int) -> Array:
    return RNG.normal(0, 1, shape)


def images(count: int, size: int) -> Array:
    """Blurred blobs in the middle of real-valued images, whose edge hardly varies."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    centre = RNG.uniform(-size / 6, size / 6, (count, 2, 1, 1))
    width = RNG.uniform(size / 10, size / 6, (count, 1, 1))
    return np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / (2 * width**2))


def mixed(*columns: Array) -> Array:
    return np.stack(columns, -1)


BLOBS = images(300, 28)

GOOD = {
    "standardised table": normal(400, 30),
    "one feature": normal(400, 1),
    "no axis": normal(400),
    "flags next to values": mixed(RNG.integers(0, 2, 400), normal(400)),
    "flags next to large values": mixed(RNG.integers(0, 2, 400), RNG.uniform(0, 100, 400)),
    "small counts next to large": mixed(RNG.integers(0, 9, 400), RNG.uniform(0, 200, 400)),
    "classes as one-hot": np.eye(40)[RNG.integers(0, 40, 400)],
    "a few ones among zeros": (RNG.random((400, 200)) < 0.0005).astype(float),
    "image": BLOBS[..., None],
    "image, flat": BLOBS.reshape(300, -1),
    "image of 8 bits, flat": np.round(BLOBS * 255).reshape(300, -1) / 255,
    "digits of 8x8, flat": np.round(images(300, 8) * 16).reshape(300, -1) / 16,
    "digits of 8x8, centred": (np.round(images(300, 8) * 16) - 8).reshape(300, -1),
    "colours": RNG.random((50, 12, 12, 3)),
    "colours, 0 to 255": RNG.integers(0, 256, (50, 12, 12, 3)).astype(float),
    "windows": normal(100, 64, 6),
    "windows of one signal": normal(100, 128, 1),
    "heart beats": np.sin(np.linspace(0, 6, 187))[:, None] * RNG.uniform(0.5, 1, (100, 1, 1)),
    "temperatures in Celsius": RNG.normal(20, 5, (400, 2)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_inputs_give_no_word(name: str) -> None:
    assert found(GOOD[name]).warnings == ()
    assert outliers(GOOD[name]) == []


COARSE = {
    "table": (mixed(*3 * [normal(400)], 1000 * normal(400)), "Features 0, 1 and 2 "),
    "one of three": (mixed(normal(400), *2 * [500 * normal(400)]), "Feature 0 of input 'x' has "),
    "table as (features, 1)": (mixed(normal(400), 900 * normal(400))[..., None], "Feature 0 "),
    "movement": (normal(60, 50, 6) * [1, 1, 1, 200, 200, 200], "Features 0, 1 and 2 "),
    "spectra": (normal(60, 40, 13) * np.geomspace(100, 1, 13), "12 of input 'x' have fewer"),
    "spectra, flat": ((normal(60, 40, 13) * ([300] + 12 * [1])).reshape(60, -1), "and 472 more"),
    "colour and depth": (
        np.concatenate([RNG.random((40, 8, 8, 3)), RNG.uniform(0, 4000, (40, 8, 8, 1))], -1),
        "Channels 0, 1 and 2 ",
    ),
    "many": (normal(300, 30) * ([400] + 29 * [1]), "Features 1, 2, 3, 4, 5, 6, 7, 8 and 21 more "),
    "flag next to large values": (
        mixed(RNG.integers(0, 2, 400), RNG.uniform(0, 2000, 400)),
        "Feature 0 of input 'x' has 0.13 of the 256 steps",
    ),
}


@pytest.mark.parametrize("name", COARSE)
def test_coarse_features_are_named(name: str) -> None:
    data, text = COARSE[name]
    (warning,) = found(data).warnings
    assert text in warning
    assert REMEDY in warning
    assert outliers(data) == []


def test_the_text_about_coarse_features() -> None:
    data = mixed(np.linspace(0, 1, 200), np.linspace(-3, 3, 200), np.linspace(0, 510, 200))
    assert found(data).warnings == (
        (
            "Features 0 and 1 of input 'x' have fewer than 16 of the 256 steps of int8, feature 0"
            " only 0.5: one range holds the whole input, -3 to 510; begin the Keras model with"
            " Normalization, which the device computes before int8, or normalise the data before"
            " the model, when training and on the device."
        ),
    )


@pytest.mark.parametrize("shape", [(400,), (400, 1), (400, 8), (50, 32, 1), (20, 32, 4)])
def test_an_offset_is_no_outlier(shape: tuple[int, ...]) -> None:
    data = RNG.normal(101325, 600, shape)
    (warning,) = found(data).warnings
    assert warning.startswith("Input 'x' lies between ")
    assert "its offset takes up the range and leaves it" in warning
    assert REMEDY in warning
    assert outliers(data) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_an_offset_of_one_feature(sign: int) -> None:
    data = mixed(RNG.normal(sign * 101325, 600, 400), RNG.normal(20, 5, 400), RNG.random(400))
    offset, small = found(data).warnings
    assert offset.startswith("Feature 0 of input 'x' lies between ")
    assert small.startswith("Features 1 and 2 of input 'x' have fewer than 16 ")
    assert outliers(data) == []


def test_several_offsets() -> None:
    data = np.concatenate([RNG.normal(101325, 600, (400, 3)), normal(400, 1)], 1)
    offset, _ = found(data).warnings
    assert "(the same holds for feature 1 and 2)" in offset


def test_constant_features_are_counted() -> None:
    data = np.concatenate([normal(400, 3), np.ones((400, 2)), np.zeros((400, 1))], 1)
    assert found(data).warnings == (
        "3 of 6 features of input 'x' are constant in calibration_data.",
    )
    noise = np.where(data == 1, 1e-8 * normal(400, 6), 0)  # less than float32 resolves
    assert found(data + noise).warnings == found(data).warnings


def test_the_edge_of_a_flat_image_is_kept_for_later() -> None:
    (text, *_) = found(BLOBS.reshape(300, -1)).suspects
    assert "have fewer than 16 of the 256 steps" in text
    assert " more of input" in text


@pytest.mark.parametrize("shape", [(300, 64), (300, 8, 8, 1), (100, 32, 6), (400, 12)])
def test_outliers_are_outliers(shape: tuple[int, ...]) -> None:
    data = RNG.random(shape)
    data.flat[11] = 80
    (warning,) = outliers(data)
    assert warning.startswith("A few outliers set the range of input 'x': 99.8 % of calibration")


def test_data_that_does_not_vary() -> None:
    assert list(always_the_same("x", normal(100, 3))) == []
    assert list(always_the_same("x", np.ones((1, 3)))) == []
    (zero,) = always_the_same("x", np.zeros((100, 3)))
    assert zero.startswith("calibration_data for input 'x' is 0 everywhere")
    (same,) = always_the_same("x", np.tile(normal(1, 3), (100, 1)))
    assert same.startswith("All 100 samples of calibration_data for input 'x' are the same")


def test_listed() -> None:
    assert listed([4]) == "4"
    assert listed(range(8)) == "0, 1, 2, 3, 4, 5, 6 and 7"
    assert listed(range(9)) == "0, 1, 2, 3, 4, 5, 6, 7 and 1 more"
