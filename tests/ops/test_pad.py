"""PAD against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.ops.paddings import PADDED, padding
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


@pytest.mark.parametrize(
    "model",
    [
        padding("PAD"),
        padding("PAD", (2, 3, 2, 3, 2), ((1, 0), (0, 1), (1, 1), (2, 0), (0, 3)), zero_point=127),
        padding("PAD", (1, 6, 3), ((0, 0), (4, 0), (0, 0)), zero_point=-128),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(padded=PADDED, zero_point=st.integers(-128, 127))
def test_numpy_equals_tflm(
    padded: tuple[tuple[int, ...], tuple[tuple[int, int], ...]], zero_point: int
) -> None:
    assert_exact(padding("PAD", *padded, zero_point=zero_point), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (padding("PAD", out=(1, 6, 7, 3)), "its shape is [1, 6, 7, 3], but the operator needs"),
        (padding("PAD", (4,), ((2, -1),)), "its paddings [[2, -1]] include a negative number"),
        (padding("PAD", (4, 1), ((2, 1), (0, 0)), dtype=np.int64), "4 elements of type int64"),
        (padding("PAD", (1,) * 6, ((0, 0),) * 6), "6 dimensions, but TensorFlow Lite Micro allows"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 PAD") as caught:
        read_graph(model)
    assert problem in caught.value.problem
