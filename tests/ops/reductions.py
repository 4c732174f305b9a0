"""Code shared by the tests of MEAN, SUM, REDUCE_MAX and REDUCE_MIN."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder


def reduction(
    name: str,
    shape: tuple[int, ...] = (1, 4, 5, 3),
    axes: tuple[int, ...] | int = (1, 2),
    keep_dims: bool = False,
    scales: tuple[float, float] = (0.05, 0.05),
    zero_points: tuple[int, int] = (-3, -3),
    out: tuple[int, ...] | None = None,
    axes_type: type = np.int32,
) -> bytes:
    """A model of one reduction."""
    reduced = {a % len(shape) for a in np.atleast_1d(axes)}
    kept = tuple(
        1 if a in reduced else s for a, s in enumerate(shape) if keep_dims or a not in reduced
    )
    b = ModelBuilder()
    x = b.tensor(shape, scale=scales[0], zero_point=zero_points[0])
    y = b.tensor(kept if out is None else out, scale=scales[1], zero_point=zero_points[1])
    options = schema.ReducerOptionsT()
    options.keepDims = keep_dims
    b.operator(name, [x, b.constant(np.asarray(axes, axes_type))], [y], options)
    return b.finish([x], [y])


SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=6).map(tuple)


def axes_of(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[int, ...]]:
    """Some axes, possibly negative or repeated."""
    return st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=6).map(tuple)
