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
from tflm_ext.ops import Times
from tflm_ext.ops.windows import Axis, forward_times
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
    with pytest.raises(AssertionError, match=r"reads byte \d+ of its input after writing there"):
        make_plan(graph)
