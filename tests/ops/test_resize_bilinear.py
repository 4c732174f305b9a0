"""RESIZE_BILINEAR against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def resize_bilinear(
    shape: tuple[int, ...] = (1, 3, 4, 2),
    size: tuple[int, int] = (7, 5),
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    zero_points: tuple[int, int] = (0, 0),
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one RESIZE_BILINEAR."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1, zero_point=zero_points[0])
    y = b.tensor(out or (shape[0], *size, shape[3]), scale=0.1, zero_point=zero_points[1])
    options = schema.ResizeBilinearOptionsT()
    options.alignCorners, options.halfPixelCenters = align_corners, half_pixel_centers
    b.operator("RESIZE_BILINEAR", [x, b.constant(np.array(size, np.int32))], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        resize_bilinear(),
        resize_bilinear((2, 5, 6, 3), (3, 13), align_corners=True, zero_points=(-128, 127)),
        resize_bilinear((1, 4, 3, 1), (8, 7), half_pixel_centers=True),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    centres=st.sampled_from([(False, False), (True, False), (False, True)]),
)
def test_numpy_equals_tflm(
    shape: tuple[int, ...], size: tuple[int, int], centres: tuple[bool, bool]
) -> None:
    assert_exact(resize_bilinear(shape, size, *centres), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (resize_bilinear(out=(1, 5, 7, 2)), "its shape is [1, 5, 7, 2], but the operator needs"),
        (
            resize_bilinear(align_corners=True, half_pixel_centers=True),
            "it sets both align_corners and half_pixel_centers",
        ),
        (
            resize_bilinear((1, 1, 2, 1), (1, 4001)),
            "resizing 2 rows or columns to 4001",
        ),
        (resize_bilinear((1, 2, 1, 1), (2**20 + 1, 1)), "it resizes 2 rows or columns to 1048577"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 RESIZE_BILINEAR") as caught:
        read_graph(model)
    assert problem in caught.value.problem
