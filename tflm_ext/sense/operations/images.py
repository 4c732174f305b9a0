"""Stages of images, as TensorFlow operations: (clips, images, height, width, channels)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic.images import GREY_BITS, GREY_WEIGHTS, WEIGHT_BITS
from tflm_ext.sense.operations.integers import constant, shifted
from tflm_ext.signals.image import CropBlock, PixelsBlock
from tflm_ext.signals.image_resize import ResizeBlock


def crop(block: CropBlock, images: Any) -> Any:
    """Cut out a part."""
    rows = images[:, :, block.top : block.top + block.height]
    return rows[:, :, :, block.left : block.left + block.width]


def pixels(block: PixelsBlock, images: Any) -> Any:
    """Make pixels int8, grey ones from colours."""
    if not block.grey:
        return images - 128
    total = tf.reduce_sum(images * constant(GREY_WEIGHTS), axis=-1, keepdims=True)
    return shifted(total, GREY_BITS) - 128


def resize(block: ResizeBlock, images: Any) -> Any:
    """Compute images of another size."""
    if block.method == "nearest":
        rows = tf.gather(images, block.rows[0], axis=2)
        return tf.gather(rows, block.columns[0], axis=3)
    total = _mixed(_mixed(images, 2, block.rows), 3, block.columns)
    return shifted(total, 2 * WEIGHT_BITS)


def _mixed(values: Any, axis: int, positions: tuple[Any, Any]) -> Any:
    """Return weighted sums of neighbours along an axis, with WEIGHT_BITS fraction bits."""
    first, weights = positions
    own = constant(weights.reshape(-1, *(1,) * (len(values.shape) - 1 - axis)))
    after = np.minimum(first + 1, values.shape[axis] - 1)
    one = 1 << WEIGHT_BITS
    return tf.gather(values, first, axis=axis) * (one - own) + (
        tf.gather(values, after, axis=axis) * own
    )
