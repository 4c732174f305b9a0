"""From which operator to which a tensor needs its bytes."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests import models
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, foreign_plan, make_plan
from tflm_ext.plan.arena import Buffer
from tflm_ext.plan.lifetimes import Lifetimes, buffers


def graph_of(model: bytes) -> Graph:
    return run_passes(read_graph(model)).graph


def planned(graph: Graph, optimize: Optimize = Optimize.SPEED) -> tuple[Plan, dict[object, Buffer]]:
    plan = make_plan(graph, optimize)
    return plan, {b.key: b for b in buffers(graph, [step.call for step in plan.steps])}


def chain(count: int, outputs: tuple[int, ...], size: int = 24) -> bytes:
    """Additions of a constant, one after another; `outputs` are numbers of them."""
    b = ModelBuilder()
    constant = b.constant(np.ones((1, size), np.int8), scale=0.05)
    tensors = [b.tensor((1, size), scale=0.05)]
    for i in range(count):
        tensors.append(b.tensor((1, size), scale=0.06 + 0.01 * i))
        b.operator("ADD", [tensors[-2], constant], [tensors[-1]], schema.AddOptionsT())
    return b.finish(tensors[:1], [tensors[i + 1] for i in outputs])


def test_a_tensor_lives_from_its_writer_to_its_last_reader() -> None:
    """What one reader reads late keeps its bytes; what is read at once does not."""
    b = ModelBuilder()
    x, y, z, total = (b.tensor((1, 8), scale=0.05 * (i + 1)) for i in range(4))
    b.operator("ABS", [x], [y])
    b.operator("ABS", [y], [z])
    b.operator("ADD", [x, z], [total], schema.AddOptionsT())
    graph = graph_of(b.finish([x], [total]))
    _, placed = planned(graph)
    lives = {key[1]: (b.first, b.last) for key, b in placed.items() if key[0] == "tensor"}  # type: ignore[index]
    assert lives == {x: (-1, 2), y: (0, 1), z: (1, 2), total: (2, 3)}


def test_outputs_and_state_live_to_the_end() -> None:
    """The user reads outputs after the last operator, which must not write there."""
    end = 4
    graph = graph_of(chain(end, outputs=(0, 2, 3)))
    _, placed = planned(graph)
    assert [placed["tensor", i].last for i in graph.outputs] == [end] * 3

    graph = graph_of(models.recurrent_net())
    _, placed = planned(graph)
    state = [i for i, tensor in graph.tensors.items() if tensor.variable]
    assert len(state) == 2
    for i in state:
        assert (placed["tensor", i].first, placed["tensor", i].last) == (-1, len(graph.nodes))


def test_an_output_in_another_shape_keeps_the_bytes_of_its_tensor() -> None:
    b = ModelBuilder()
    x, y, z = (b.tensor((1, 24), scale=0.05 * i) for i in (1, 2, 3))
    wide = b.tensor((4, 6), scale=0.1)
    b.operator("ABS", [x], [y])
    b.operator("RESHAPE", [y, b.constant(np.int32([4, 6]))], [wide], schema.ReshapeOptionsT())
    b.operator("ABS", [y], [z])
    graph = graph_of(b.finish([x], [wide, z]))
    assert graph.tensors[wide].alias == y
    _, placed = planned(graph)
    assert placed["tensor", y].last == len(graph.nodes) == 2


@pytest.mark.parametrize("early", range(3))
@pytest.mark.parametrize("optimize", list(Optimize))
def test_no_later_operator_writes_over_an_output(early: int, optimize: Optimize) -> None:
    """ADD runs in place where its input dies; an output of the model never does."""
    graph = graph_of(chain(4, outputs=(early, 3)))
    plan = make_plan(graph, optimize)
    output = graph.outputs[0]
    kept = range(plan.offsets[output], plan.offsets[output] + graph.tensors[output].bytes)
    for step in plan.steps[early + 1 :]:
        written = plan.offsets[step.view.node.outputs[0]]
        assert not set(kept) & set(range(written, written + step.view.output().bytes))
    in_place = [
        plan.offsets[step.view.node.inputs[0]] == plan.offsets[step.view.node.outputs[0]]
        for step in plan.steps
    ]
    assert in_place == [i != early + 1 for i in range(4)]


def test_an_output_that_is_also_read_again_at_the_end() -> None:
    """By the last operator of all: the input of an output that runs in place."""
    graph = graph_of(chain(2, outputs=(0, 1)))
    plan = make_plan(graph)
    first, second = (plan.offsets[i] for i in graph.outputs)
    assert abs(first - second) >= 24


def test_scratch_memory_lives_for_one_operator() -> None:
    plan, placed = planned(graph_of(models.image_net()))
    scratch = {key: b for key, b in placed.items() if key[0] == "scratch"}  # type: ignore[index]
    assert scratch
    for key, buffer in scratch.items():
        step = key[1]  # type: ignore[index]
        assert buffer.first == buffer.last == step
    assert sum(b.bytes for b in scratch.values()) == sum(s.call.scratch_bytes for s in plan.steps)


def test_live_bytes_are_those_of_tensors_in_the_busiest_step() -> None:
    """Unrounded, without scratch memory, and the same if an interpreter runs the model."""
    for model, expected in (
        (chain(3, outputs=(2,), size=23), 46),
        (chain(3, outputs=(0, 1, 2), size=23), 69),
        (chain(1, outputs=(0,), size=5), 10),
    ):
        graph = graph_of(model)
        assert make_plan(graph).live_bytes == expected
        assert foreign_plan(graph, make_plan(graph).core).live_bytes == expected
    plan, placed = planned(graph_of(models.image_net()))
    tensors = [b for key, b in placed.items() if key[0] == "tensor"]  # type: ignore[index]
    assert len(tensors) < len(placed)
    assert plan.live_bytes == max(
        sum(b.bytes for b in tensors if b.first <= step <= b.last)
        for step in range(-1, len(plan.steps) + 1)
    )


def test_bytes_at_an_operator_are_those_of_the_buffers_that_live_there() -> None:
    """Lifetimes, which knows no chosen kernels, agrees with the buffers of a plan."""
    for model in (models.image_net(), models.two_headed_net(), models.recurrent_net()):
        graph = graph_of(model)
        plan, placed = planned(graph)
        lifetimes = Lifetimes(graph)
        for i, step in enumerate(plan.steps):
            alive = [b for b in placed.values() if b.first <= i <= b.last]
            most, found = sum(b.size for b in alive), lifetimes.bytes_at(i, step.call)
            dying = {b.key for b in alive if b.last == i}
            overlaid = [b for b in alive if b.first == i and dying & {o.key for o in b.overlays}]
            assert found <= most
            assert (found < most) == bool(overlaid), step.view.label
