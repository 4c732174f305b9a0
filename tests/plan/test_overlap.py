"""Overlaps of input and output: proven by replaying reads and writes, refused where they clash."""

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
from tflm_ext.kernels import KERNELS, Times
from tflm_ext.kernels.windows import forward_times
from tflm_ext.opslib.windows import Axis
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan, plan
from tflm_ext.plan.arena import place
from tflm_ext.plan.overlap import first_clash, lead


def simulated(times: Times, output_at: int) -> bool:
    """Whether every byte is still there when it is read, found by doing it step by step."""
    overwritten = set()
    for step in range(int(max(times.last_read.max(), times.first_write.max())) + 1):
        reads = {int(i) for i in np.flatnonzero(times.last_read == step)}
        if reads & overwritten:
            return False
        overwritten |= {int(i) + output_at for i in np.flatnonzero(times.first_write == step)}
    return True


TIMES = st.builds(
    lambda reads, writes: Times(np.array(reads), np.array(sorted(writes)), anywhere=True),
    st.lists(st.integers(-1, 12), min_size=1, max_size=30),
    st.lists(st.integers(0, 12), min_size=1, max_size=30),
)


@given(TIMES, st.integers(-40, 40))
def test_the_replay_is_right(times: Times, output_at: int) -> None:
    assert (first_clash(times, output_at) is None) == simulated(times, output_at)


@given(TIMES)
def test_the_lead_is_enough_and_no_more(times: Times) -> None:
    least = lead(times)
    assert all(first_clash(times, -at) is None for at in range(least, least + 40))
    assert least == 0 or first_clash(times, 1 - least) is not None


def test_an_output_that_jumps_has_no_lead() -> None:
    with pytest.raises(ValueError, match="not written from its first byte"):
        lead(Times(np.zeros(2), np.array([1, 0])))


def windows_times(
    image: tuple[int, int, int, int], rows: Axis, columns: Axis, channels: int, at_once: int
) -> Times:
    """The times of forward_times(), pixel by pixel."""
    batches, height, width, depth = image
    read = np.full((batches, height, width, depth), -1)
    count = batches * rows.out * columns.out
    write = np.zeros((count, channels), int)
    for first in range(0, count, at_once):
        start = min(first, count - at_once)
        for pixel in range(start, start + at_once):
            b, rest = divmod(pixel, rows.out * columns.out)
            y, x = divmod(rest, columns.out)
            for ky in range(rows.window):
                for kx in range(columns.window):
                    iy = y * rows.stride + ky * rows.dilation - rows.before
                    ix = x * columns.stride + kx * columns.dilation - columns.before
                    if 0 <= iy < height and 0 <= ix < width:
                        read[b, iy, ix] = first // at_once
            if pixel >= first:
                write[pixel] = first // at_once
    return Times(read.reshape(-1), write.reshape(-1))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("before", [0, 1])
def test_windows_are_read_no_later_than_said(stride: int, dilation: int, before: int) -> None:
    rows = Axis(9, 3, stride, dilation, before, 3)
    columns = Axis(8, 2, stride, dilation, before, 3)
    image = (2, 9, 8, 2)
    exact = windows_times(image, rows, columns, 5, 3)
    said = forward_times(image, rows, columns, 5, 3)
    assert (said.last_read >= exact.last_read).all()
    assert (said.first_write == exact.first_write).all()
    if dilation == 1 and stride == 1:
        assert (said.last_read == exact.last_read)[exact.last_read >= 0].all()


def convolution() -> bytes:
    """3x3, as many channels as before, the same size."""
    b, draw = ModelBuilder(), np.random.default_rng(0)
    x = b.tensor((1, 12, 12, 8), scale=0.05, zero_point=3)
    y = b.tensor((1, 12, 12, 8), scale=0.5, zero_point=-4)
    weights = draw.integers(-127, 128, (8, 3, 3, 8), np.int8)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    bias = b.constant(np.arange(8, dtype=np.int32), scale=np.full(8, 0.0005))
    inputs = [x, b.constant(weights, scale=np.full(8, 0.01)), bias]
    b.operator("CONV_2D", inputs, [y], options)
    return b.finish([x], [y])


def test_a_convolution_runs_over_its_own_input() -> None:
    made = assert_exact(convolution())
    (step,) = made.steps
    assert step.kernel.name == "conv_2d_tile"
    source, target = step.view.node.inputs[0], step.view.node.outputs[0]
    size = 12 * 12 * 8
    assert 0 < made.offsets[source] - made.offsets[target] < 200
    assert made.arena_bytes < size + 1200


@pytest.mark.parametrize("shift", [4, 8, 40])
def test_wrong_plans_are_refused(monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    """Where the placement breaks the rule, the replay alone finds it."""
    graph = run_passes(read_graph(convolution())).graph
    (source,), (target,) = graph.inputs, graph.outputs
    right = make_plan(graph)
    distance = right.offsets[source] - right.offsets[target]

    def moved(buffers: Any) -> dict[object, int]:
        offsets = place(buffers)
        offsets["tensor", source] = offsets["tensor", target] + distance - shift
        return offsets

    monkeypatch.setattr(plan, "place", moved)
    monkeypatch.setattr(plan, "check_placement", lambda buffers, offsets: None)
    with pytest.raises(AssertionError, match=r"reads byte \d+ of its input after overwriting it"):
        make_plan(graph)


def addition() -> bytes:
    """A tensor plus a constant."""
    b = ModelBuilder()
    x = b.tensor((1, 40, 3), scale=0.05, zero_point=3)
    y = b.tensor((1, 40, 3), scale=0.1, zero_point=-4)
    other = b.constant(np.ones((1, 40, 3), np.int8), scale=[0.05], zero_point=0)
    b.operator("ADD", [x, other], [y], schema.AddOptionsT())
    return b.finish([x], [y])


@pytest.mark.parametrize("forward", [4, 8, 116])
def test_every_kernel_in_place_is_replayed(monkeypatch: pytest.MonkeyPatch, forward: int) -> None:
    """Elements would be overwritten before they were read."""
    graph = run_passes(read_graph(addition())).graph
    (source,), (target,) = graph.inputs, graph.outputs
    assert make_plan(graph).offsets[source] == make_plan(graph).offsets[target]

    def moved(buffers: Any) -> dict[object, int]:
        offsets = place(buffers)
        offsets["tensor", target] = offsets["tensor", source] + forward
        return offsets

    monkeypatch.setattr(plan, "place", moved)
    monkeypatch.setattr(plan, "check_placement", lambda buffers, offsets: None)
    with pytest.raises(AssertionError, match=r"reads byte \d+ of its input after overwriting it"):
        make_plan(graph)


def depthwise(size: tuple[int, int], window: tuple[int, int], stride: int, same: bool) -> bytes:
    """Eight channels, two images."""
    b, draw = ModelBuilder(), np.random.default_rng(0)
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier, options.padding = 1, 0 if same else 1
    options.strideH = options.strideW = stride
    grow = 0 if same else 1
    out = [-(-(n - grow * (k - 1)) // stride) for n, k in zip(size, window, strict=True)]
    x = b.tensor((2, *size, 8), scale=0.05, zero_point=3)
    y = b.tensor((2, *out, 8), scale=0.5, zero_point=-4)
    weights = draw.integers(-127, 128, (1, *window, 8), np.int8)
    bias = b.constant(np.arange(8, dtype=np.int32), scale=np.full(8, 0.0005))
    inputs = [x, b.constant(weights, scale=np.full(8, 0.01), axis=3), bias]
    b.operator("DEPTHWISE_CONV_2D", inputs, [y], options)
    return b.finish([x], [y])


def rounds(kernel: str, fields: dict[str, Any]) -> list[tuple[range, range]]:
    """Of one image and four channels: rows that are read, then rows that are written."""
    out: int = fields["output_height"]
    stride: int = fields["stride"] if "stride" in fields else fields["stride_height"]
    top = fields.get("pad_top", 0)
    if kernel == "depthwise_conv_2d_3x3":
        step = 3 - stride
        return [
            (range(y * stride - top + (0 if y == 0 else 2), y * stride - top + 4),
             range(y, min(y + step, out)))
            for y in range(0, out, step)
        ]  # fmt: skip
    ring = (fields.get("filter_height", 1) - 1) * fields.get("dilation_height", 1) + 1
    taken, found = 0, []
    for y in range(out):
        taken = max(taken, y * stride)
        found.append((range(taken - top, y * stride + ring - top), range(y, y + 1)))
        taken = max(taken, y * stride + ring)
    return found


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    ("size", "window", "name"),
    [
        ((9, 7), (3, 3), "depthwise_conv_2d_3x3"),
        ((8, 6), (3, 3), "depthwise_conv_2d_3x3"),
        ((9, 7), (4, 5), "depthwise_conv_2d_lines"),
        ((6, 9), (2, 3), "depthwise_conv_2d_lines"),
        ((9, 17), (1, 5), "depthwise_conv_1d_6"),
    ],
)
def test_depthwise_rows_are_read_when_they_are_said_to_be(
    size: tuple[int, int], window: tuple[int, int], name: str, stride: int, same: bool
) -> None:
    """The loops of the kernels, done in Python."""
    kernel = next(k for k in KERNELS["DEPTHWISE_CONV_2D"] if k.name == name)
    (view,) = run_passes(read_graph(depthwise(size, window, stride, same))).graph.views()
    assert kernel.applies(view)
    call = kernel.lower(view)
    said = call.times[0]
    read = np.full((2, *size, 8), -1)
    write = np.full((2, *view.output().shape[1:]), -1)
    done = rounds(name, dict(call.fields))
    lanes, images = range(0, 8, 4), range(2)
    order = (
        [(b, four, r) for b in images for r in done for four in lanes]
        if name.startswith("depthwise_conv_1d")
        else [(b, four, r) for b in images for four in lanes for r in done]
    )
    for step, (b, four, (reads, writes)) in enumerate(order):
        inside = [y for y in reads if 0 <= y < size[0]]
        read[b, inside, :, four : four + 4] = step
        write[b, list(writes), :, four : four + 4] = step
    exact = Times(read.reshape(-1), write.reshape(-1))
    # Steps are counted otherwise, but in the same order.
    for kept in ("last_read", "first_write"):
        one, other = getattr(said, kept), getattr(exact, kept)
        assert ((one < 0) == (other < 0)).all()
    for output_at in range(-64, 65, 8):
        assert first_clash(said, output_at) == first_clash(exact, output_at)
