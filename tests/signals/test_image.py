"""Images: NumPy and C give the same bytes, which are those of the exact definition."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import Crop, Frames, Grey, Image, LogMel, Microphone, Resize
from tflm_ext.signals.spec import Form


def _images(random: np.random.Generator, block: Any) -> np.ndarray[Any, Any]:
    shape = block.source.shape
    drawn = random.integers(0, 256, (3, *shape))
    edges = random.choice([0, 255], (2, *shape))
    return np.concatenate([drawn, edges, np.full((1, *shape), 255), np.zeros((1, *shape))])


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize(("size", "new"), [((1, 1), (3, 2)), ((1, 7), (5, 1)), ((2, 9), (2, 9))])
def test_resize_of_small_images(method: str, size: tuple[int, int], new: tuple[int, int]) -> None:
    block = Resize(*new, method).bind(Image(*size, 3).spec)
    assert_block(block, _images(np.random.default_rng(1), block))


@pytest.mark.parametrize("seed", range(4))
def test_resize(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, new = random.integers(2, 60, 2).tolist(), random.integers(1, 80, 2).tolist()
    image = Image(*size, int(random.choice([1, 3])))
    method = ("bilinear", "nearest")[seed % 2]
    block = Resize(*new, method).bind(image.spec)
    assert_block(block, _images(random, block))


def test_the_largest_images_fit_into_the_tables() -> None:
    for method in ("bilinear", "nearest"):
        block = Resize(2048, 2048, method).bind(Image(2048, 2048, 3).spec)
        assert len(block.lower().tables) == 2


@pytest.mark.parametrize("seed", range(6))
def test_bilinear_pixels_are_the_exact_mean(seed: int) -> None:
    """Weights of 11 bits move a mean of 0 to 255 by at most an eighth before it is rounded."""
    random = np.random.default_rng(seed)
    (height, width), (rows, columns) = random.integers(1, 12, (2, 2)).tolist()
    image = random.integers(0, 256, (height, width, 1), np.uint8)
    block = Resize(rows, columns).bind(Image(height, width).spec)
    found, _ = block.run(image[np.newaxis], block.start())
    for row in range(rows):
        for column in range(columns):
            exact = _mean(image[:, :, 0], row, rows, column, columns)
            assert abs(int(found[0, row, column, 0]) - exact) <= Fraction(5, 8)


def _mean(image: np.ndarray[Any, Any], row: int, rows: int, column: int, columns: int) -> Fraction:
    total = Fraction(0)
    for i, weight in _weights(row, rows, image.shape[0]):
        for j, other in _weights(column, columns, image.shape[1]):
            total += weight * other * int(image[i, j])
    return total


def _weights(index: int, new: int, size: int) -> list[tuple[int, Fraction]]:
    centre = Fraction(2 * index + 1, 2 * new) * size - Fraction(1, 2)
    centre = min(max(centre, Fraction(0)), Fraction(size - 1))
    first = int(centre)
    return [(first, 1 - (centre - first)), (min(first + 1, size - 1), centre - first)]


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_the_same_size_changes_nothing(method: str) -> None:
    block = Resize(7, 5, method).bind(Image(7, 5, 3).spec)
    images = _images(np.random.default_rng(0), block).astype(np.uint8)
    np.testing.assert_array_equal(block.run(images, ())[0], images)


def test_a_uniform_image_stays_uniform() -> None:
    for level in (0, 1, 127, 254, 255):
        block = Resize(13, 31).bind(Image(29, 17).spec)
        found, _ = block.run(np.full((1, 29, 17, 1), level, np.uint8), ())
        assert (found == level).all()


@pytest.mark.parametrize(("channels", "where"), [(1, (None, None)), (3, (0, 4)), (3, (6, 0))])
def test_crop(channels: int, where: tuple[int | None, int | None]) -> None:
    block = Crop(3, 5, *where).bind(Image(9, 11, channels).spec)
    images = _images(np.random.default_rng(2), block).astype(np.uint8)
    found = assert_block(block, images)
    top, left = (3, 3) if where[0] is None else where
    np.testing.assert_array_equal(found, images[:, top : top + 3, left : left + 5])


@pytest.mark.parametrize("channels", [1, 3])
def test_grey(channels: int) -> None:
    block = Grey().bind(Image(6, 5, channels).spec)
    found = assert_block(block, _images(np.random.default_rng(3), block))
    assert (block.out.dtype, block.out.shape) == (DType.INT8, (6, 5, 1))
    assert (found[-2] == 127).all()
    assert (found[-1] == -128).all()


def test_grey_is_the_rounded_brightness() -> None:
    colours = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(1, -1, 1, 3)
    block = Grey().bind(Image(1, 1, 3).spec)
    found, _ = block.run(colours.astype(np.uint8), ())
    exact = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found[..., 0] + 128.0 - exact).max() < 0.51


def test_real_values_are_from_0_to_1() -> None:
    for spec in (Image(4, 4).spec, Grey().bind(Image(4, 4).spec).out):
        low = 0 if spec.dtype is DType.UINT8 else -128
        for value, real in ((low, 0.0), (low + 255, 1.0)):
            assert spec.scale * (value - spec.zero_point) == pytest.approx(real)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image(0, 4),
        lambda: Image(4, 4, 2),
        lambda: Image(4, 1e3),  # type: ignore[arg-type]
        lambda: Image(4, 4, 1, rate=0),  # type: ignore[arg-type]
        lambda: Crop(4, 4, -1),
        lambda: Crop(5, 4).bind(Image(4, 4).spec),
        lambda: Crop(2, 2, 3, 0).bind(Image(4, 4).spec),
        lambda: Resize(0, 1),
        lambda: Resize(2, 2, "cubic"),
        lambda: Resize(2, 2).bind(Grey().bind(Image(4, 4).spec).out),
        lambda: Grey().bind(Grey().bind(Image(4, 4).spec).out),
        lambda: Grey().bind(Microphone().spec),
        lambda: Frames(4).bind(Image(4, 4).spec),
        lambda: LogMel().bind(Image(480, 1).spec),
    ],
)
def test_what_does_not_fit_is_an_error(make: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.problem
    assert caught.value.hint


def test_images_have_a_form_of_their_own() -> None:
    assert Image(4, 5, 3).spec.form is Form.IMAGE
    assert str(Image(4, 5, 3, rate=2).spec) == "image of 4 x 5 x 3 uint8, 2 per second"  # type: ignore[arg-type]
