"""Models of one pooling operator."""

from __future__ import annotations

from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder


def pooling(
    name: str,
    height: int = 6,
    width: int = 5,
    channels: int = 3,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    batches: int = 1,
    same: bool = True,
    activation: int = 0,
    scale: float = 0.05,
    zero_point: int = -3,
    output_scale: float | None = None,
    output_zero_point: int | None = None,
    shape: tuple[int, ...] | None = None,
) -> bytes:
    sizes = [
        -(-n // s) if same else (n + s - k) // s
        for n, s, k in zip((height, width), stride, window, strict=True)
    ]
    b = ModelBuilder()
    x = b.tensor((batches, height, width, channels), scale=scale, zero_point=zero_point)
    y = b.tensor(
        shape or (batches, *sizes, channels),
        scale=output_scale or scale,
        zero_point=zero_point if output_zero_point is None else output_zero_point,
    )
    options = schema.Pool2DOptionsT()
    options.padding = 0 if same else 1
    options.strideH, options.strideW = stride
    options.filterHeight, options.filterWidth = window
    options.fusedActivationFunction = activation
    b.operator(name, [x], [y], options)
    return b.finish([x], [y])


@st.composite
def drawn_pooling(draw: st.DrawFn, name: str) -> bytes:
    """Models with all kinds of windows, paddings, activations and zero points."""
    size = st.integers(1, 9)
    window = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    same = draw(st.booleans())
    return pooling(
        name,
        height=max(draw(size), 1 if same else window[0]),
        width=max(draw(size), 1 if same else window[1]),
        channels=draw(st.integers(1, 4)),
        window=window,
        stride=draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        batches=draw(st.integers(1, 2)),
        same=same,
        activation=draw(st.sampled_from([0, 1, 2, 3])),
        scale=draw(st.sampled_from([0.004, 0.05, 0.5])),
        zero_point=draw(st.integers(-128, 127)),
    )


def refused(name: str) -> list[tuple[bytes, str]]:
    """Models that are refused, each with a part of the message."""
    return [
        (pooling(name, shape=(1, 2, 2, 3)), "its shape is [1, 2, 2, 3]"),
        (pooling(name, output_scale=0.06), "different scales"),
        (pooling(name, output_zero_point=4), "different scales"),
        (pooling(name, stride=(70000, 1)), "its strides, dilations and filter sizes"),
        (
            pooling(name, window=(-1, 3), shape=(1, 6, 5, 3)),
            "its strides, dilations and filter sizes",
        ),
    ]
