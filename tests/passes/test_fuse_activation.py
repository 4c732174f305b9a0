"""Clamps become fused activations, where that is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import Activation
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.passes import PassRecord, run_passes


def clamped(
    *clamps: str | tuple[str, int],
    producer: str = "ADD",
    fused: int = 0,
    scale: float = 0.05,
    zero_point: int = -20,
    clamp_scale: float | None = None,
    also_output: bool = False,
) -> bytes:
    """An operator on two inputs, or on one and weights, and clamps one after another."""
    b = ModelBuilder()
    shape = (1, 6)
    x = b.tensor(shape, scale=0.1, zero_point=2)
    produced = tensor = b.tensor(shape, scale=scale, zero_point=zero_point)
    inputs, second = [x], x
    if producer == "FULLY_CONNECTED":
        options: Any = schema.FullyConnectedOptionsT()
        weights = np.random.default_rng(2).integers(-127, 128, (6, 6), np.int8)
        second = b.constant(weights, scale=0.01)
    else:
        options = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT}[producer]()
        second = b.tensor(shape, scale=0.2, zero_point=-9)
        inputs.append(second)
    options.fusedActivationFunction = fused
    b.operator(producer, [x, second], [tensor], options)
    for clamp in clamps:
        target = b.tensor(shape, scale=clamp_scale or scale, zero_point=zero_point)
        name, limit = (clamp, None) if isinstance(clamp, str) else clamp
        limits = []
        if limit is not None:
            values = np.array(limit, np.int8)
            limits.append(b.constant(values, scale=scale, zero_point=zero_point))
        b.operator(name, [tensor, *limits], [target])
        tensor = target
    return b.finish(inputs, [tensor, *([produced] if also_output else [])])


def passed(model: bytes) -> tuple[list[str], Activation]:
    nodes = run_passes(read_graph(model)).graph.nodes
    return [n.operator for n in nodes], nodes[0].options.activation


@pytest.mark.parametrize(
    ("model", "activation"),
    [
        (clamped("RELU"), Activation.RELU),
        (clamped("RELU6", producer="MUL"), Activation.RELU6),
        (clamped("RELU", "RELU6", producer="FULLY_CONNECTED"), Activation.RELU6),
        (clamped(("MAXIMUM", -20)), Activation.RELU),
        (clamped(("MAXIMUM", -20), ("MINIMUM", 100)), Activation.RELU6),
        (clamped("RELU", fused=3), Activation.RELU6),
        (clamped(("MINIMUM", 127)), Activation.NONE),
    ],
)
def test_fused(model: bytes, activation: Activation) -> None:
    names, fused = passed(model)
    assert len(names) == 1
    assert fused is activation
    assert_exact(model, c=activation is Activation.RELU6)


@pytest.mark.parametrize(
    "model",
    [
        clamped("RELU", clamp_scale=0.06),
        clamped("RELU", also_output=True),
        clamped(("MAXIMUM", -19)),
        clamped(("MAXIMUM", -40)),  # half of RELU_N1_TO_1
        clamped("RELU", fused=2),
    ],
)
def test_kept_where_it_would_not_be_exact(model: bytes) -> None:
    assert len(passed(model)[0]) == 2
    assert_exact(model, c=False)


def test_record() -> None:
    result = run_passes(read_graph(clamped("RELU", "RELU6")))
    # The first RELU goes into ADD, the second into both; the last tensor keeps its number.
    assert result.records == (PassRecord("fuse activation", (1, 3), (1, 2)),)
    assert result.graph.nodes[0].outputs == result.graph.outputs == (4,)


@given(
    clamps=st.lists(
        st.one_of(
            st.sampled_from(["RELU", "RELU6"]),
            st.tuples(st.sampled_from(["MAXIMUM", "MINIMUM"]), st.integers(-128, 127)),
        ),
        min_size=1,
        max_size=3,
    ),
    fused=st.integers(0, 3),
    scale=st.sampled_from([0.004, 0.03, 0.0627451, 0.4]),
    zero_point=st.integers(-128, 127),
)
def test_any_clamps(
    clamps: list[str | tuple[str, int]], fused: int, scale: float, zero_point: int
) -> None:
    model = clamped(*clamps, fused=fused, scale=scale, zero_point=zero_point)
    try:
        assert_exact(model, c=False)
    except UnsupportedModelError as error:
        assert "activation" in error.problem
