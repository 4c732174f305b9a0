"""Unused tensors disappear."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.passes import PassRecord, run_passes


def branches() -> bytes:
    """One output is used, of SPLIT only one half; RELU after RELU leads nowhere."""
    b = ModelBuilder()
    x = b.tensor((1, 6), scale=0.1)
    halves = [b.tensor((1, 3), scale=0.1) for _ in range(2)]
    first, second = (b.tensor((1, 3), scale=0.2) for _ in range(2))
    y = b.tensor((1, 3), scale=0.3)
    options = schema.SplitOptionsT()
    options.numSplits = 2
    b.operator("SPLIT", [b.constant(np.array(1, np.int32)), x], halves, options)
    b.operator("RELU", [halves[0]], [first])
    b.operator("RELU", [first], [second])
    b.operator("RELU", [halves[1]], [y])
    return b.finish([x], [y])


def test_operators_without_readers() -> None:
    result = run_passes(read_graph(branches()))
    assert [n.index for n in result.graph.nodes] == [0, 3]
    assert result.records == (PassRecord("remove unused", (3, 4), (1, 2)),)
    # The other half of SPLIT is still written; the constant, the axis, is still read.
    assert sorted(result.graph.tensors) == [0, 1, 2, 5, 6]
    assert_exact(branches())
