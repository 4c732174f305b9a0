"""MIRROR_PAD against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.ops.core_weighted import Draw, point
from tests.ops.pairwise import Case
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph

REFLECT, SYMMETRIC = 0, 1


def mirror_pad(
    shape: tuple[int, ...] = (1, 3, 4, 2),
    amounts: tuple[tuple[int, int], ...] = ((0, 0), (2, 1), (0, 3), (1, 0)),
    mode: int = REFLECT,
    zero_point: int = -7,
    out: tuple[int, ...] | None = None,
    out_scale: float = 0.1,
) -> bytes:
    """A model of one MIRROR_PAD."""
    padded = tuple(a + n + b for n, (a, b) in zip(shape, amounts, strict=True))
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1, zero_point=zero_point)
    y = b.tensor(padded if out is None else out, scale=out_scale, zero_point=zero_point)
    options = schema.MirrorPadOptionsT()
    options.mode = mode
    b.operator("MIRROR_PAD", [x, b.constant(np.array(amounts, np.int32))], [y], options)
    return b.finish([x], [y])


def model_of(case: Case, draw: Draw) -> bytes:
    """The model of a case of core_cases.py; what the case leaves open is drawn."""
    shape = (2, int(draw.integers(3, 6)), 4, case["channels"])
    last = 0 if case["mode"] == REFLECT and case["channels"] == 1 else 1
    amounts = ((0, 0), (case["before"], 2), (2, case["before"]), (0, last))
    return mirror_pad(shape, amounts, case["mode"], point(draw, case["in_point"]))


@pytest.mark.parametrize(
    "model",
    [
        mirror_pad(),
        mirror_pad((2, 3), ((2, 2), (3, 3)), SYMMETRIC, zero_point=-128),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@st.composite
def padded(draw: st.DrawFn) -> bytes:
    mode = draw(st.sampled_from((REFLECT, SYMMETRIC)))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    most = [size - (mode == REFLECT) for size in shape]
    amounts = tuple((draw(st.integers(0, n)), draw(st.integers(0, n))) for n in most)
    return mirror_pad(shape, amounts, mode, draw(st.integers(-128, 127)))


@given(model=padded())
def test_numpy_equals_tflm(model: bytes) -> None:
    assert_exact(model, c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (mirror_pad(mode=2), "mirror pad mode number 2"),
        (mirror_pad(out=(1, 6, 7, 4)), "its shape is [1, 6, 7, 4]"),
        (mirror_pad(out_scale=0.2), "its input and output have different quantisations"),
        (mirror_pad((3,), ((3, 0),)), "its paddings are [[3, 0]]"),
        (mirror_pad((3,), ((2, -1),)), "its paddings are [[2, -1]]"),
        (mirror_pad((1,) * 5, ((0, 0),) * 5), "5 dimensions"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model)
    assert problem in str(caught.value)
