"""REDUCE_MAX against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.ops.reductions import SHAPES, axes_of, reduction
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


@pytest.mark.parametrize(
    "model",
    [
        reduction("REDUCE_MAX"),
        reduction("REDUCE_MAX", (2, 3, 2, 3, 2, 3), (0, -4, 4), True),
        reduction("REDUCE_MAX", (7, 6), -1),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(data=st.data(), shape=SHAPES, keep_dims=st.booleans())
def test_numpy_equals_tflm(data: st.DataObject, shape: tuple[int, ...], keep_dims: bool) -> None:
    assert_exact(reduction("REDUCE_MAX", shape, data.draw(axes_of(shape)), keep_dims), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            reduction("REDUCE_MAX", out=(1, 4, 3)),
            "its shape is [1, 4, 3], but the operator needs [1, 3]",
        ),
        (reduction("REDUCE_MAX", axes=(-5,), out=(1, 4, 5, 3)), "works along axis -5 of a tensor"),
        (
            reduction("REDUCE_MAX", scales=(0.1, 0.2)),
            "its input and output have different quantisations",
        ),
        (
            reduction("REDUCE_MAX", zero_points=(1, 2)),
            "its input and output have different quantisations",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 REDUCE_MAX") as caught:
        read_graph(model)
    assert problem in caught.value.problem
