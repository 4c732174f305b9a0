"""Code shared by the tests of PAD and PADV2."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.tflite_builder import ModelBuilder

Amounts = tuple[tuple[int, int], ...]


def padding(
    name: str,
    shape: tuple[int, ...] = (1, 3, 4, 2),
    amounts: Amounts = ((0, 0), (1, 2), (2, 1), (0, 0)),
    value: int | None = None,
    zero_point: int = -7,
    value_scale: float = 0.1,
    out: tuple[int, ...] | None = None,
    dtype: type = np.int32,
) -> bytes:
    """A model of one PAD or PADV2."""
    padded = tuple(a + n + b for n, (a, b) in zip(shape, amounts, strict=True))
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1, zero_point=zero_point)
    y = b.tensor(padded if out is None else out, scale=0.1, zero_point=zero_point)
    inputs = [x, b.constant(np.array(amounts, dtype))]
    if value is not None:
        number = np.array([value], np.int8)
        inputs.append(b.constant(number, scale=value_scale, zero_point=zero_point))
    b.operator(name, inputs, [y])
    return b.finish([x], [y])


@st.composite
def _padded(draw: st.DrawFn) -> tuple[tuple[int, ...], Amounts]:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return tuple(shape), tuple(draw(pair) for _ in shape)


PADDED = _padded()
