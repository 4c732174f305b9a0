"""Integer arithmetic of images: brightness and sizes.

The last three axes of every array are row, column and channel.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

GREY_BITS = 15
GREY_WEIGHTS = (9798, 19235, 3735)
"""Of red, green and blue; 0.299, 0.587 and 0.114 times 2**15. Their sum is 2**15."""
WEIGHT_BITS = 11
"""Fraction bits of the weights of bilinear pixels: products of two and a pixel fit into int32."""


def grey(pixels: Array) -> Array:
    """Return the brightness of uint8 pixels, rounded to nearest, halves up.

    Args:
        pixels: (..., 3).

    Returns:
        (..., 1), int64 from 0 to 255.

    Example:
        >>> grey(np.array([[255, 0, 0], [255, 255, 255]], np.uint8)).tolist()
        [[76], [255]]
    """
    total = pixels.astype(np.int64) @ np.array(GREY_WEIGHTS, np.int64)
    return ((total + (1 << (GREY_BITS - 1))) >> GREY_BITS)[..., np.newaxis]


def nearest_positions(size: int, new: int) -> Array:
    """Return which of `size` pixels has the centre of each of `new` pixels; at an edge, the later.

    Example:
        >>> nearest_positions(5, 3).tolist()
        [0, 2, 4]
    """
    return (2 * np.arange(new) + 1) * size // (2 * new)


def bilinear_positions(size: int, new: int) -> tuple[Array, Array]:
    """Return between which of `size` pixels each of `new` pixels is.

    Returns:
        The first of two pixels, at most size - 2 but not negative; and the weight of the second,
        times 2**WEIGHT_BITS.

    Example:
        >>> [part.tolist() for part in bilinear_positions(4, 2)]
        [[0, 2], [1024, 1024]]
        >>> [part.tolist() for part in bilinear_positions(2, 4)]
        [[0, 0, 0, 0], [0, 512, 1536, 2048]]
    """
    # The centre of pixel i is at (2 * i + 1) * size / (2 * new) - 1 / 2, here times 2 * new.
    centres = (2 * np.arange(new, dtype=np.int64) + 1) * size - new
    centres = np.clip(centres, 0, 2 * new * (size - 1))
    first = np.minimum(centres // (2 * new), max(size - 2, 0))
    rest = centres - first * 2 * new
    return first, ((rest << WEIGHT_BITS) + new) // (2 * new)


def resize_bilinear(
    images: Array, rows: tuple[Array, Array], columns: tuple[Array, Array]
) -> Array:
    """Return images of another size, rounded to nearest, halves up.

    Args:
        images: (images, rows, columns, channels), uint8.
        rows, columns: of bilinear_positions().

    Returns:
        (images, new rows, new columns, channels), int64.
    """
    one = 1 << WEIGHT_BITS

    def mixed(values: Array, axis: int, positions: tuple[Array, Array]) -> Array:
        first, weights = positions
        weights = weights.reshape(-1, *(1,) * (values.ndim - 1 - axis))
        after = np.minimum(first + 1, values.shape[axis] - 1)
        return values.take(first, axis) * (one - weights) + values.take(after, axis) * weights

    total = mixed(mixed(images.astype(np.int64), 1, rows), 2, columns)
    return (total + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS)
