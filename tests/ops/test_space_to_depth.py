"""SPACE_TO_DEPTH against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def space_to_depth(
    shape: tuple[int, ...] = (1, 4, 6, 3),
    block: int = 2,
    said: int | None = None,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one SPACE_TO_DEPTH; `said` is the block size in the file."""
    batches, height, width, channels = shape
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(
        out or (batches, height // block, width // block, channels * block * block), scale=0.1
    )
    options = schema.SpaceToDepthOptionsT()
    options.blockSize = block if said is None else said
    b.operator("SPACE_TO_DEPTH", [x], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize("model", [space_to_depth(), space_to_depth((2, 3, 9, 1), 3)])
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    sizes=st.tuples(*[st.integers(1, 3)] * 4),
    block=st.integers(1, 3),
)
def test_numpy_equals_tflm(sizes: tuple[int, ...], block: int) -> None:
    batches, height, width, channels = sizes
    shape = (batches, height * block, width * block, channels)
    assert_exact(space_to_depth(shape, block), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (space_to_depth(said=0), "its block size is 0"),
        (space_to_depth(said=-2), "its block size is -2"),
        (space_to_depth((1, 5, 6, 3)), "5 x 6 pixels cannot be divided into blocks of 2"),
        (space_to_depth(out=(1, 2, 3, 6)), "its shape is [1, 2, 3, 6], but the operator needs"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SPACE_TO_DEPTH") as caught:
        read_graph(model)
    assert problem in caught.value.problem
