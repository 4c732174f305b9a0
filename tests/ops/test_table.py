"""TABLE, with which passes replace functions of one value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ops.elementwise import LEVELS, unary
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph
from tflm_ext.ops import BY_NAME
from tflm_ext.ops.table import TableOptions
from tflm_ext.plan import make_plan
from tflm_ext.reference import run_outputs

SQUARES = (LEVELS.astype(np.int32) ** 2 // 200).astype(np.int8)


def with_table(values: bytes) -> Graph:
    """A graph of one TABLE."""
    graph = read_graph(unary("ABS"))
    node = replace(graph.nodes[0], operator="TABLE", options=TableOptions(values))
    return replace(graph, nodes=(node,))


def test_looks_up() -> None:
    graph = with_table(SQUARES.tobytes())
    BY_NAME["TABLE"].check(graph.view(graph.nodes[0]))
    (got,) = run_outputs(graph, [LEVELS.reshape(1, 256)])
    np.testing.assert_array_equal(got.ravel(), SQUARES)


def test_stores_the_table_as_it_is() -> None:
    plan = make_plan(with_table(SQUARES.tobytes()))
    assert [table.const.data for table in plan.tables] == [SQUARES.tobytes()]


def test_wants_256_results() -> None:
    graph = with_table(bytes(255))
    with pytest.raises(TypeError, match="256 results"):
        BY_NAME["TABLE"].check(graph.view(graph.nodes[0]))


def test_never_comes_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema.BuiltinOperator, "TABLE", -1, raising=False)
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    y = b.tensor((1, 4), scale=0.1)
    b.operator("TABLE", [x], [y])
    with pytest.raises(UnsupportedModelError, match="operator 0 TABLE"):
        read_graph(b.finish([x], [y]))
