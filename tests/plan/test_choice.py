"""The planner's choice of kernels, and what it goes by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests import models
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.ir import DType, Graph, Limits
from tflm_ext.kernels import KERNELS, LIMIT, packing
from tflm_ext.kernels.base import ElementsWork
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, costs, make_plan, sizes
from tflm_ext.plan.tables import shape_layout
from tflm_ext.targets import default_board

CORE = default_board().core
NAMES = sorted({k.name for own in KERNELS.values() for k in own})
ROOT = Path(__file__).resolve().parents[2]
PROJECTS = sorted(ROOT.glob("platformio_projects/*/model/*.tflite"))


def flash(plan: Plan) -> int:
    return plan.weight_bytes + plan.code_bytes


def cycles(plan: Plan) -> int:
    return sum(step.option.cycles for step in plan.steps)


def graph_of(model: bytes) -> Graph:
    return run_passes(read_graph(model)).graph


def dense_layers(count: int, depth: int = 16) -> Graph:
    """One after another, next to a convolution that takes most of the time."""
    b, draw = ModelBuilder(), np.random.default_rng(3)
    image = b.tensor((1, 16, 16, 8), scale=0.05)
    features = b.tensor((1, 16, 16, 16), scale=0.05)
    filters = b.constant(draw.integers(-127, 128, (16, 3, 3, 8), np.int8), scale=0.01)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = 0, 1, 1
    b.operator("CONV_2D", [image, filters], [features], options)
    x = first = b.tensor((1, depth), scale=0.05)
    for _ in range(count):
        weights = draw.integers(-127, 128, (depth, depth), np.int8)
        y = b.tensor((1, depth), scale=0.05)
        inputs = [x, b.constant(weights, scale=0.01)]
        b.operator("FULLY_CONNECTED", inputs, [y], schema.FullyConnectedOptionsT())
        x = y
    return graph_of(b.finish([image, first], [features, x]))


def kernels(plan: Plan, operator: str) -> set[str]:
    return {s.kernel.name for s in plan.steps if s.view.node.operator == operator}


def test_weights_are_packed_once_per_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many kernels look at them: the ends of a layer's sums are requantised twice."""
    calls = 0
    requantise = packing.multiply_by_quantized_multiplier

    def counting(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return requantise(*args)

    monkeypatch.setattr(packing, "multiply_by_quantized_multiplier", counting)
    graph = graph_of(models.image_net())
    for optimize in Optimize:
        make_plan(graph, optimize)
    weighted = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert calls == 2 * sum(node.operator in weighted for node in graph.nodes) > 0


def test_a_kernel_without_costs_is_named() -> None:
    with pytest.raises(
        LookupError, match="for the kernel 'new' on the Cortex-M4; run `make kernel-costs CORE"
    ):
        costs.of_pieces(CORE, "new", alone=False)
    with pytest.raises(LookupError, match="has calls, but the work calls, elements"):
        costs.cost_of(ElementsWork(1, 2), {"calls": 3.0})


def test_a_kernel_without_a_size_is_named() -> None:
    said = r"for the kernel 'new' on the Cortex-M4; run `make kernel-sizes CORE=cortex-m4`"
    with pytest.raises(LookupError, match=said):
        sizes.kernel_bytes(CORE, "new")
    with pytest.raises(LookupError, match=said):
        sizes.code_bytes(CORE, {"new": sizes.Uses(1, 4)})


@pytest.mark.parametrize(
    "model",
    [models.image_net(), models.two_headed_net(), *(path.read_bytes() for path in PROJECTS)],
    ids=["image_net", "two_headed_net", *(path.stem for path in PROJECTS)],
)
def test_speed_is_not_slower_and_size_not_larger(model: bytes) -> None:
    graph = graph_of(model)
    speed, balanced, size = (
        make_plan(graph, optimize)
        for optimize in (Optimize.SPEED, Optimize.BALANCED, Optimize.SIZE)
    )
    assert cycles(speed) <= cycles(balanced)
    assert flash(size) <= flash(balanced)
    assert flash(size) + size.arena_bytes <= flash(balanced) + balanced.arena_bytes


def test_the_code_of_a_kernel_is_paid_once() -> None:
    """A fast kernel is worth its code for many layers, and not for one."""
    one, many = (make_plan(dense_layers(count)) for count in (1, 200))
    assert kernels(one, "FULLY_CONNECTED") == {"fully_connected"}
    assert kernels(many, "FULLY_CONNECTED") == {"fully_connected_tile"}


def test_speed_takes_the_fastest_kernel() -> None:
    for step in make_plan(dense_layers(1), Optimize.SPEED).steps:
        assert step.option.cycles == min(option.cycles for option in step.alternatives)


def test_functions_that_kernels_share_count_once() -> None:
    tile, pointwise = "conv_2d_tile", "conv_2d_pointwise"
    several, entry = sizes.Uses(3, 60), sizes.code_bytes(CORE, {})
    apart = sum(sizes.code_bytes(CORE, {name: several}) - entry for name in (tile, pointwise))
    both = sizes.code_bytes(CORE, {tile: several, pointwise: several}) - entry
    assert apart - 800 < both < apart - 600


def cycles_of_dense_layers(count: int) -> set[int]:
    """What each of equal layers is estimated to take."""
    plan = make_plan(dense_layers(count), Optimize.SPEED)
    return {s.option.cycles for s in plan.steps if s.view.node.operator == "FULLY_CONNECTED"}


def test_a_kernel_with_one_user_costs_what_its_specialised_code_costs() -> None:
    """The compiler adapts the code of a kernel to its only call, and not to one of several."""
    (layer,) = (s for s in make_plan(dense_layers(1), Optimize.SPEED).steps if s.index == 1)
    alone, several = (
        costs.estimated(CORE, layer.kernel, layer.view, alone) for alone in (True, False)
    )
    assert alone != several
    assert cycles_of_dense_layers(1) == {alone[1]}
    assert cycles_of_dense_layers(2) == cycles_of_dense_layers(3) == {several[1]}


def code(kernel: str, calls: int, parameter_bytes: int = 0) -> int:
    """Bytes that calls of a kernel add to a model."""
    uses = {kernel: sizes.Uses(calls, parameter_bytes)}
    return sizes.code_bytes(CORE, uses) - sizes.code_bytes(CORE, {})


def test_the_only_call_of_a_kernel_has_its_parameters_as_constants() -> None:
    assert code("softmax", 1) == code("softmax", 1, 400) < sizes.kernel_bytes(CORE, "softmax")


def test_limits_of_an_output_are_a_part_of_the_costs() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 16), scale=0.1), b.tensor((1, 16), scale=0.1)
    relu = schema.FullyConnectedOptionsT()
    relu.fusedActivationFunction = schema.ActivationFunctionType.RELU
    weights = b.constant(np.ones((16, 16), np.int8), scale=0.1)
    b.operator("FULLY_CONNECTED", [x, weights], [y], relu)
    plan = make_plan(graph_of(b.finish([x], [y])), Optimize.SPEED)
    limited = [s for s in plan.steps if s.call.limits is not None]
    assert limited
    for step in limited:
        assert step.call.limits is not None
        own = [costs.estimated(CORE, step.kernel, step.view, alone) for alone in (True, False)]
        instructions, cycles = costs.limit_estimated(CORE, step.call.limits, step.view)
        assert instructions > 0 and cycles > 0
        assert (step.option.instructions, step.option.cycles) in [
            (instructions + i, cycles + c) for i, c in own
        ]


def test_layouts_of_constants() -> None:
    assert shape_layout((2, 3)) == "[2][3]"
    assert shape_layout(()) == "a scalar"


def test_a_small_kernel_is_copied_into_each_caller() -> None:
    once = code("lookup", 1)
    assert 0 < once < sizes.kernel_bytes(CORE, "lookup")
    assert code("lookup", 10, 400) == pytest.approx(10 * once, abs=10)


@pytest.mark.parametrize("kernel", ["softmax", "conv_2d", "conv_2d_tile"])
def test_a_large_kernel_is_one_function_for_all_its_callers(kernel: str) -> None:
    """Each further call adds itself and its parameters."""
    two, three, ten = (code(kernel, calls) for calls in (2, 3, 10))
    assert ten - two == 8 * (three - two) > 0
    assert (
        three - two
        < sizes.kernel_bytes(CORE, kernel) / 10
        < sizes.kernel_bytes(CORE, kernel)
        <= two
    )
    assert code(kernel, 2, 100) == two + 100


def test_a_kernel_that_stays_a_function_is_called_once_too() -> None:
    once = code("conv_2d_tile", 1, 100)
    assert once == code("conv_2d_tile", 1) + 100
    assert code("conv_2d_tile", 2, 100) > once


def test_uses_count_calls_and_parameters() -> None:
    """A parameter has four bytes; the limit of an output is a separate call."""
    plan = make_plan(dense_layers(3), Optimize.SPEED)
    layers = [s for s in plan.steps if s.view.node.operator == "FULLY_CONNECTED"]
    uses = sizes.uses_of((s.kernel, s.call) for s in layers)
    name = layers[0].kernel.name
    assert uses[name].calls == 3
    one = sizes.uses_of([(layers[0].kernel, layers[0].call)])[name]
    assert one.parameter_bytes > 0 and one.parameter_bytes % 4 == 0
    assert uses[name] == one + one + one
    limited = replace(layers[0].call, limits=Limits(DType.INT8, 0, 127))
    # Limits are two numbers, and how many elements there are is the third.
    assert sizes.uses_of([(layers[0].kernel, limited)]) == {name: one, LIMIT: sizes.Uses(1, 12)}
