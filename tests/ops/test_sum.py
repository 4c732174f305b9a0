"""SUM against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
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
        reduction("SUM"),
        reduction("SUM", (2, 3, 2, 3, 2, 3), (0, -4, 4), True, (0.1, 0.03), (127, -128)),
        reduction("SUM", (7, 6), -1, scales=(0.1, 0.4), zero_points=(-128, 127)),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=SHAPES,
    keep_dims=st.booleans(),
    scales=st.tuples(
        st.sampled_from([1e-6, 0.02, 0.3, 5.0]), st.sampled_from([0.02, 0.25, 3.0, 90.0])
    ),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)
def test_numpy_equals_tflm(
    data: st.DataObject,
    shape: tuple[int, ...],
    keep_dims: bool,
    scales: tuple[float, float],
    zero_points: tuple[int, int],
) -> None:
    axes = data.draw(axes_of(shape))
    assert_exact(reduction("SUM", shape, axes, keep_dims, scales, zero_points), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (reduction("SUM", out=(1, 4, 3)), "its shape is [1, 4, 3], but the operator needs [1, 3]"),
        (
            reduction("SUM", axes=(1, 4), out=(1, 3)),
            "works along axis 4 of a tensor with 4 dimensions",
        ),
        (reduction("SUM", axes_type=np.int64), "the axes cannot be 2 elements of type int64"),
        (reduction("SUM", scales=(1.0, 1e-20)), "a ratio of its scales needs a shift of"),
        (reduction("SUM", scales=(1.0, 1e-8)), "times a ratio of its scales is too large"),
        (reduction("SUM", (2,) * 8, (0, 2, 4, 6)), "form too many separate groups"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SUM") as caught:
        read_graph(model)
    assert problem in caught.value.problem
