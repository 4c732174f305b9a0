"""PADV2 against TensorFlow Lite Micro."""

from __future__ import annotations

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
        padding("PADV2", value=-128),
        padding("PADV2", (2, 3, 2), ((1, 0), (0, 1), (1, 1)), value=55, zero_point=3),
        padding("PADV2"),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(padded=PADDED, value=st.integers(-128, 127))
def test_numpy_equals_tflm(
    padded: tuple[tuple[int, ...], tuple[tuple[int, int], ...]], value: int
) -> None:
    assert_exact(padding("PADV2", *padded, value=value), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            padding("PADV2", value=1, value_scale=0.2),
            "its border value is not a single value with the output's quantisation",
        ),
        (
            padding("PADV2", (4,), ((-1, 2),), value=1),
            "its paddings [[-1, 2]] include a negative number",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 PADV2") as caught:
        read_graph(model)
    assert problem in caught.value.problem
