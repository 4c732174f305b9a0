"""PAD becomes part of the window operators after it, where that is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.opslib.common import Padding
from tflm_ext.opslib.windows import slide
from tflm_ext.passes import run_passes

OPTIONS = {
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT,
    "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
}


def padded(
    name: str = "CONV_2D",
    *,
    rows: tuple[int, int] = (1, 2),
    columns: tuple[int, int] = (2, 0),
    channels: tuple[int, int] = (0, 0),
    size: tuple[int, int] = (5, 4),
    window: tuple[int, int] = (3, 2),
    stride: int = 1,
    same: bool = False,
    zero_point: int = -7,
    padded_zero_point: int | None = None,
    value: int | None = None,
    through: tuple[int, ...] | None = None,
    readers: int = 1,
    also_output: bool = False,
    depth: int = 3,
) -> bytes:
    """PAD, perhaps RESHAPE, and window operators that read its output."""
    generator = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.tensor((1, *size, depth), scale=0.1, zero_point=zero_point)
    deep = depth + sum(channels)
    after = (size[0] + sum(rows), size[1] + sum(columns))
    zero = zero_point if padded_zero_point is None else padded_zero_point
    p = b.tensor((1, *after, deep), scale=0.1, zero_point=zero)
    inputs = [x, b.constant(np.array([(0, 0), rows, columns, channels], np.int32))]
    if value is not None:
        inputs.append(b.constant(np.array(value, np.int8), scale=0.1, zero_point=zero))
    b.operator("PAD" if value is None else "PADV2", inputs, [p])
    image, outputs = p, []
    if through is not None:
        image = b.tensor((*through, deep), scale=0.1, zero_point=zero)
        shape = b.constant(np.array((*through, deep), np.int32))
        b.operator("RESHAPE", [p, shape], [image])
        after = through[1:3]
    padding = Padding.SAME if same else Padding.VALID
    out = [slide(n, k, stride, 1, padding).out for n, k in zip(after, window, strict=True)]
    for _ in range(readers):
        options = OPTIONS[name]()
        options.padding = padding.value
        options.strideH = options.strideW = stride
        inputs, depth_out = [image], deep
        if "POOL" in name:
            options.filterHeight, options.filterWidth = window
            y = b.tensor((1, *out, deep), scale=0.1, zero_point=zero)
        else:
            depth_out = 2 if name == "CONV_2D" else deep
            filters = (2, *window, deep) if name == "CONV_2D" else (1, *window, deep)
            if name == "DEPTHWISE_CONV_2D":
                options.depthMultiplier = 1
            weights = generator.integers(-127, 128, filters, np.int8)
            inputs.append(b.constant(weights, scale=0.02))
            y = b.tensor((1, *out, depth_out), scale=0.3, zero_point=4)
        b.operator(name, inputs, [y], options)
        outputs.append(y)
    return b.finish([x], [*outputs, *([p] if also_output else [])])


def operators(model: bytes) -> list[str]:
    return [n.operator for n in run_passes(read_graph(model)).graph.nodes]


@pytest.mark.parametrize(
    ("model", "c"),
    [
        (padded(), True),
        (padded(same=True, stride=2), False),
        (padded("DEPTHWISE_CONV_2D", readers=2), True),
        (padded("MAX_POOL_2D", zero_point=-128, rows=(4, 4)), True),
        (padded("CONV_2D", value=-7), False),
        # Windows that cover only padding.
        (padded(rows=(4, 5), columns=(6, 5)), True),
        (padded(rows=(4, 5), columns=(6, 5), window=(3, 5), stride=2), True),
        (padded(rows=(4, 5), columns=(6, 5), depth=4), True),
        (padded("DEPTHWISE_CONV_2D", rows=(4, 5), columns=(6, 5), depth=5), True),
        (padded("DEPTHWISE_CONV_2D", rows=(5, 4), columns=(2, 7), window=(3, 3), depth=8), True),
        (padded("DEPTHWISE_CONV_2D", rows=(5, 4), columns=(6, 0), window=(3, 3), depth=8), True),
    ],
)
def test_fused(model: bytes, c: bool) -> None:
    assert "PAD" not in operators(model)
    assert "PADV2" not in operators(model)
    assert_exact(model, c=c)


def test_fused_through_another_shape() -> None:
    """Conv1D: the sequence is padded before it gets a second dimension."""
    model = padded(size=(9, 1), rows=(2, 1), columns=(0, 0), window=(1, 3), through=(1, 1, 12))
    assert operators(model) == ["CONV_2D"]
    assert_exact(model, c=False)


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        (padded("AVERAGE_POOL_2D"), ["PAD", "AVERAGE_POOL_2D"]),
        (padded("MAX_POOL_2D"), ["PAD", "MAX_POOL_2D"]),
        (padded(channels=(1, 0)), ["PAD", "CONV_2D"]),
        (padded(padded_zero_point=-6), ["PAD", "CONV_2D"]),
        (padded(value=-6), ["PADV2", "CONV_2D"]),
        (padded(also_output=True), ["PAD", "CONV_2D"]),
        (padded(size=(4, 4), rows=(1, 1), columns=(1, 1), through=(1, 4, 9)), ["PAD", "CONV_2D"]),
    ],
)
def test_kept_where_it_would_not_be_exact(model: bytes, kept: list[str]) -> None:
    assert operators(model) == kept
    assert_exact(model, c=False)


@given(
    name=st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"]),
    rows=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    columns=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    same=st.booleans(),
)
def test_any_fused_window(name: str, **drawn: Any) -> None:
    model = padded(name, zero_point=-128 if name == "MAX_POOL_2D" else 11, **drawn)
    assert operators(model) == [name]
    assert_exact(model, c=False)
