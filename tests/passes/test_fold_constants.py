"""Paths of constants are computed once, here."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.passes import PassRecord, run_passes


def constant_path(rows: int = 1, *, relu: bool = True) -> bytes:
    """x + RESHAPE(RELU(c) + d), where d has several rows and c has one."""
    generator = np.random.default_rng(1)
    b = ModelBuilder()
    x = b.tensor((rows * 6,), scale=0.1)
    c = b.constant(generator.integers(-128, 128, (1, 6), np.int8), scale=0.1)
    d = b.constant(generator.integers(-128, 128, (rows, 1), np.int8), scale=0.2, zero_point=5)
    e = b.tensor((1, 6), scale=0.1)
    f = b.tensor((rows, 6), scale=0.2)
    g = b.tensor((rows * 6,), scale=0.2)
    y = b.tensor((rows * 6,), scale=0.3)
    if relu:
        b.operator("RELU", [c], [e])
    b.operator("ADD", [e if relu else c, d], [f], schema.AddOptionsT())
    b.operator("RESHAPE", [f, b.constant(np.array([rows * 6], np.int32))], [g])
    b.operator("ADD", [x, g], [y], schema.AddOptionsT())
    return b.finish([x], [y])


def test_chains_are_folded() -> None:
    model = constant_path()
    result = run_passes(read_graph(model))
    assert [(n.index, n.operator) for n in result.graph.nodes] == [(3, "ADD")]
    assert result.records == (PassRecord("fold constants", (3, 4, 5), (0, 1, 2)),)
    # What only led to the constant is gone.
    assert sorted(result.graph.tensors) == [0, 5, 6]
    assert_exact(model)


def test_large_results_stay_computed() -> None:
    model = constant_path(rows=1000)
    result = run_passes(read_graph(model))
    assert [n.index for n in result.graph.nodes] == [1, 3]
    assert_exact(model, c=False)


def test_outputs_of_the_model_stay_computed() -> None:
    b = ModelBuilder()
    x = b.tensor((4,), scale=0.1)
    c = b.constant(np.array([-3, 0, 5, 9], np.int8), scale=0.1)
    y, z = b.tensor((4,), scale=0.1), b.tensor((4,), scale=0.1)
    b.operator("RELU", [c], [y])
    b.operator("RELU", [x], [z])
    model = b.finish([x], [y, z])
    assert len(run_passes(read_graph(model)).graph.nodes) == 2
    assert_exact(model)
