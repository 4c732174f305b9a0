"""TRANSPOSE against TensorFlow Lite Micro."""

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
from tflm_ext.plan import make_plan


def transpose(
    shape: tuple[int, ...] = (2, 3, 4),
    permutation: tuple[int, ...] = (2, 0, 1),
    out: tuple[int, ...] | None = None,
    constant: bool = True,
) -> bytes:
    """A model of one TRANSPOSE."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(out or [shape[p] for p in permutation], scale=0.1)
    if constant:
        p = b.constant(np.array(permutation, np.int32))
    else:
        p = b.tensor((len(permutation),), dtype="int32", variable=True)
    b.operator("TRANSPOSE", [x, p], [y])
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        transpose(),
        transpose((2, 3, 4, 2, 3), (4, 2, 0, 3, 1)),
        transpose((1, 6, 1, 5), (0, 2, 1, 3)),
        transpose((3, 2, 5, 4), (0, 2, 1, 3)),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(data=st.data(), shape=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int]) -> None:
    permutation = data.draw(st.permutations(range(len(shape))))
    assert_exact(transpose(tuple(shape), tuple(permutation)), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (transpose(permutation=(2, 2, 1)), "[2, 2, 1] is not a permutation of its axes"),
        (transpose(permutation=(2, 0, -2)), "[2, 0, -2] is not a permutation of its axes"),
        (transpose(out=(2, 3, 4)), "its shape is [2, 3, 4], but the operator needs [4, 2, 3]"),
        (
            transpose((1,) * 6, tuple(range(6))),
            "6 dimensions, but TensorFlow Lite Micro allows 1 to 5",
        ),
        (transpose(constant=False), "the permutation must be constant"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 TRANSPOSE") as caught:
        read_graph(model)
    assert problem in caught.value.problem


def test_a_tensor_beyond_all_boards_is_planned_without_its_bytes() -> None:
    """A small file may claim a huge tensor; computing values for each byte would take gigabytes."""
    rows = 1 << 18
    b = ModelBuilder()
    x, y = b.tensor((rows, 8), scale=0.1), b.tensor((8, rows), scale=0.1)
    order = b.constant(np.array([1, 0], np.int32))
    b.operator("TRANSPOSE", [x, order], [y], schema.TransposeOptionsT())
    (step,) = make_plan(read_graph(b.finish([x], [y]))).steps
    assert step.call.times == ()
