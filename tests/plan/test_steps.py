"""Planning takes few steps, however many tensors are alive at once: counted, not timed."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import tflm_ext
from tests.harness import facts_for
from tests.tflite_builder import ModelBuilder
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.passes import run_passes
from tflm_ext.plan import arena, make_plan
from tflm_ext.plan.arena import Buffer, arena_size, check_placement, lower_bound, place

PACKAGE = str(Path(tflm_ext.__file__).parent)


def steps(work: Callable[[], object]) -> int:
    """Lines of this package that are executed, each round of a loop or comprehension counted."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def small(b: ModelBuilder, size: int = 8) -> int:
    return b.tensor((1, size), scale=0.1)


def many_inputs_and_outputs(count: int) -> bytes:
    b = ModelBuilder()
    inputs, outputs = ([small(b, 8 + i % 5) for i in range(count)] for _ in range(2))
    for x, y in zip(inputs, outputs, strict=True):
        b.operator("RELU", [x], [y])
    return b.finish(inputs, outputs)


def dense_layers_side_by_side(count: int) -> bytes:
    b, draw = ModelBuilder(), np.random.default_rng(0)
    inputs, outputs = ([small(b) for _ in range(count)] for _ in range(2))
    for x, y in zip(inputs, outputs, strict=True):
        weights = b.constant(draw.integers(-127, 128, (8, 8), np.int8), scale=0.01)
        b.operator("FULLY_CONNECTED", [x, weights], [y], schema.FullyConnectedOptionsT())
    return b.finish(inputs, outputs)


def one_after_the_other(count: int) -> bytes:
    b = ModelBuilder()
    x = first = small(b)
    constant = b.constant(np.arange(8, dtype=np.int8)[np.newaxis], scale=0.1)
    for _ in range(count):
        y = small(b)
        b.operator("ADD", [x, constant], [y], schema.AddOptionsT())
        x = y
    return b.finish([first], [x])


def many_readers(count: int) -> bytes:
    b = ModelBuilder()
    x, outputs = small(b), [small(b) for _ in range(count)]
    for y in outputs:
        b.operator("RELU", [x], [y])
    return b.finish([x], outputs)


def ladder(count: int) -> bytes:
    """Each CONCATENATION appends a little to the one before, as in DenseNet."""
    b, options = ModelBuilder(), schema.ConcatenationOptionsT()
    options.axis = 1
    x = first = small(b, 1)
    for i in range(count):
        y = small(b, i + 2)
        b.operator("CONCATENATION", [x, first], [y], options)
        x = y
    return b.finish([first], [x])


def of_constants(count: int) -> bytes:
    b = ModelBuilder()
    constant = b.constant(np.arange(8, dtype=np.int8)[np.newaxis], scale=0.1)
    for _ in range(count):
        y = small(b)
        b.operator("RELU", [constant], [y])
        constant = y
    x, y = small(b), small(b)
    b.operator("ADD", [x, constant], [y], schema.AddOptionsT())
    return b.finish([x], [y])


def padded(count: int) -> bytes:
    b, options = ModelBuilder(), schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.padding = 1
    amounts = b.constant(np.array([(0, 0), (1, 1), (1, 1), (0, 0)], np.int32))
    weights = b.constant(np.ones((2, 3, 3, 2), np.int8), scale=0.05)
    x = first = b.tensor((1, 2, 2, 2), scale=0.1)
    for _ in range(count):
        wide, y = b.tensor((1, 4, 4, 2), scale=0.1), b.tensor((1, 2, 2, 2), scale=0.1)
        b.operator("PAD", [x, amounts], [wide])
        b.operator("CONV_2D", [wide, weights], [y], options)
        x = y
    return b.finish([first], [x])


def clamped(count: int) -> bytes:
    b = ModelBuilder()
    x, y = small(b), small(b)
    constant = b.constant(np.arange(8, dtype=np.int8)[np.newaxis], scale=0.1)
    b.operator("ADD", [x, constant], [y], schema.AddOptionsT())
    for _ in range(count):
        z = small(b)
        b.operator("RELU", [y], [z])
        y = z
    return b.finish([x], [y])


def split(count: int) -> bytes:
    b, options = ModelBuilder(), schema.SplitOptionsT()
    options.numSplits = count
    x, outputs = small(b, count), [small(b, 1) for _ in range(count)]
    b.operator("SPLIT", [b.constant(np.array(1, np.int32)), x], outputs, options)
    return b.finish([x], outputs)


def export(model: bytes) -> None:
    """All of Python between the bytes of a model and those of its C."""
    data = strip_ports(model, "net").data
    graph = read_graph(data, "net")
    plan = make_plan(run_passes(graph, strict=True).graph)
    model_files(facts_for(data, graph, plan, "net"), plan)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (many_inputs_and_outputs, 300),
        (dense_layers_side_by_side, 80),
        (split, 300),
        (many_readers, 300),
    ],
)
def test_many_tensors_at_once(build: Callable[[int], bytes], count: int) -> None:
    half, whole = (steps(lambda n=n: export(build(n))) for n in (count // 2, count))
    assert whole <= 5 * half


@pytest.mark.parametrize("build", [one_after_the_other, ladder, of_constants, padded, clamped])
def test_many_operators(build: Callable[[int], bytes]) -> None:
    half, whole = (steps(lambda n=n: export(build(n))) for n in (40, 80))
    assert whole <= 2.1 * half


def at_once(count: int) -> list[Buffer]:
    """All alive at once, but for every third, of many sizes."""
    draw = random.Random(1)
    return [
        Buffer(i, draw.randint(1, 200), i % 3 * (i % 25), 60 if i % 3 else i % 50)
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [40, 300, 600, 6000])
def test_the_search_is_bounded(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The more buffers, the fewer orders; of very many, one pass over them in time."""
    monkeypatch.setattr(arena, "_STEPS", 100_000)
    made = at_once(count)
    assert steps(lambda: place(made)) < 1_200_000
    offsets = place(made)
    assert check_placement(made, offsets) is None
    assert lower_bound(made) <= arena_size(made, offsets) <= 1.25 * lower_bound(made)


def test_very_many_buffers_use_gaps_again() -> None:
    """Thousands at each of a hundred steps: in the bytes of those before."""
    made = [Buffer((step, i), 4 + i % 7, step, step) for step in range(100) for i in range(300)]
    made += [Buffer(i, 8, 0, 99) for i in range(2000)]
    offsets = place(made)
    assert check_placement(made, offsets) is None
    assert arena_size(made, offsets) <= 1.02 * lower_bound(made)
