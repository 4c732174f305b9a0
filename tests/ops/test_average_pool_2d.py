"""AVERAGE_POOL_2D against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.harness import assert_exact
from tests.ops.pooling import drawn_pooling, pooling, refused
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph

NAME = "AVERAGE_POOL_2D"


@pytest.mark.parametrize(
    "model",
    [
        pooling(NAME),
        pooling(NAME, window=(2, 3), stride=(2, 1), batches=2, activation=1),
        pooling(NAME, same=False, batches=2, zero_point=-128, activation=3),
        pooling(NAME, window=(9, 11), stride=(2, 4), zero_point=127, activation=2),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


def test_in_place_where_no_padding_lies_in_front() -> None:
    assert assert_exact(pooling(NAME, same=False), c=False).arena_bytes == 92  # the input
    assert assert_exact(pooling(NAME, same=True), c=False).arena_bytes == 2 * 92


@given(model=drawn_pooling(NAME))
def test_numpy_equals_tflm(model: bytes) -> None:
    assert_exact(model, c=False)


@pytest.mark.parametrize(("model", "problem"), refused(NAME))
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"operator 0 {NAME}") as caught:
        read_graph(model)
    assert problem in caught.value.problem
