"""DEPTH_TO_SPACE against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def depth_to_space(
    shape: tuple[int, ...] = (1, 2, 3, 8),
    block: int = 2,
    said: int | None = None,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one DEPTH_TO_SPACE; `said` is the block size in the file."""
    batches, height, width, channels = shape
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(
        out or (batches, height * block, width * block, channels // (block * block)), scale=0.1
    )
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = block if said is None else said
    b.operator("DEPTH_TO_SPACE", [x], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize("model", [depth_to_space(), depth_to_space((2, 1, 3, 9), 3)])
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    sizes=st.tuples(*[st.integers(1, 3)] * 4),
    block=st.integers(1, 3),
)
def test_numpy_equals_tflm(sizes: tuple[int, ...], block: int) -> None:
    *front, channels = sizes
    assert_exact(depth_to_space((*front, channels * block * block), block), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (depth_to_space(said=0), "its block size is 0"),
        (depth_to_space((1, 2, 3, 6)), "6 channels cannot be divided into blocks of 2 x 2 pixels"),
        (depth_to_space(out=(1, 4, 6, 1)), "its shape is [1, 4, 6, 1], but the operator needs"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 DEPTH_TO_SPACE") as caught:
        read_graph(model)
    assert problem in caught.value.problem
