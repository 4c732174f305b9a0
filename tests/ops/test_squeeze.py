"""SQUEEZE against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def squeeze(axes: tuple[int, ...], target: tuple[int, ...]) -> bytes:
    """A model of one SQUEEZE of a (1, 3, 1, 2)."""
    b = ModelBuilder()
    x = b.tensor((1, 3, 1, 2), scale=0.1, zero_point=3)
    y = b.tensor(target, scale=0.1, zero_point=3)
    options = schema.SqueezeOptionsT()
    options.squeezeDims = list(axes)
    b.operator("SQUEEZE", [x], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    ("axes", "target"),
    [((), (3, 2)), ((0,), (3, 1, 2)), ((-2,), (1, 3, 2)), ((2, 0, -4), (3, 2))],
)
def test_equals_tflm(axes: tuple[int, ...], target: tuple[int, ...]) -> None:
    assert_exact(squeeze(axes, target), c=not axes)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (squeeze((1,), (1, 1, 6)), "not all of its axes [1] have the size 1"),
        (squeeze((4,), (3, 2)), "not all of its axes [4] have the size 1"),
        (squeeze((0,), (3, 2)), "its shape is [3, 2], but the operator needs [3, 1, 2]"),
        (squeeze((), (3, 3)), "cannot turn int8 [1, 3, 1, 2] into int8 [3, 3]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SQUEEZE") as caught:
        read_graph(model)
    assert problem in caught.value.problem
