"""A rewrite that changes a value, or breaks the graph, is found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph
from tflm_ext.passes import LeftOut, run, run_passes


@pytest.fixture
def graph() -> Graph:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.1), b.tensor((1, 4), scale=0.1)
    z = b.tensor((1, 4), scale=0.1)
    c = b.constant(np.array([[1, 2, 3, 4]], np.int8), scale=0.1)
    b.operator("MAXIMUM", [x, c], [y])
    b.operator("MINIMUM", [y, x], [z])
    return read_graph(b.finish([x], [z]))


def with_pass(monkeypatch: pytest.MonkeyPatch, rewrite: run.Rewrite) -> None:
    monkeypatch.setattr(run, "REWRITES", (("wrong", rewrite),))


def other_operator(graph: Graph) -> Graph:
    first, *rest = graph.nodes
    return replace(graph, nodes=(replace(first, operator="MINIMUM"), *rest))


def other_constant(graph: Graph) -> Graph:
    (number,) = (i for i, t in graph.tensors.items() if t.constant)
    constant = graph.with_tensors(replace(graph.tensors[number], data=b"\1\2\3\5"))
    return replace(constant, nodes=tuple(replace(n, index=n.index + 1) for n in constant.nodes))


@pytest.mark.parametrize("rewrite", [other_operator, other_constant])
def test_other_values(rewrite: run.Rewrite, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pass(monkeypatch, rewrite)
    with pytest.raises(
        AssertionError, match=r"wrong: tensor \d 'net/layer1/Op' has different values from before"
    ):
        run_passes(graph)
    run_passes(graph, prove=False)


def test_a_broken_graph(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pass(monkeypatch, lambda g: replace(g, nodes=g.nodes[1:]))
    with pytest.raises(AssertionError, match="wrong: operator 1 MINIMUM reads tensor 1"):
        run_passes(graph, prove=False)


def test_a_node_that_its_operator_refuses(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pass(monkeypatch, lambda g: g.with_tensors(replace(g.tensors[2], shape=(2, 2))))
    with pytest.raises(AssertionError, match="wrong: test: operator 1 MINIMUM"):
        run_passes(replace(graph, name="test"))


def fails(graph: Graph) -> Graph:
    raise ValueError("shapes (8,)\nand (3,)\x1b[2J do not fit")


FAILURES = {
    fails: "ValueError: shapes (8,) and (3,)?[2J do not fit",
    other_operator: "AssertionError: wrong: tensor 1 'net/layer1/Op' "
    "has different values from before",
    lambda graph: replace(graph, nodes=graph.nodes[1:]): (
        "AssertionError: wrong: operator 1 MINIMUM reads tensor 1 'net/layer1/Op', "
        "which has not been written"
    ),
}


@pytest.mark.parametrize("rewrite", FAILURES)
def test_a_failed_rewrite_is_left_out(
    rewrite: run.Rewrite, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others run, from the graph before it."""
    spare = graph.with_tensors(replace(graph.tensors[0], index=9))
    rewrites = (("wrong", rewrite), *run.REWRITES)
    monkeypatch.setattr(run, "REWRITES", rewrites)
    result = run_passes(spare, strict=False)
    assert result.left_out == (LeftOut("wrong", FAILURES[rewrite]),)
    assert result.graph == graph  # "remove unused" took tensor 9


def test_the_suite_is_strict_unless_told_otherwise(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_pass(monkeypatch, fails)
    with pytest.raises(ValueError, match="do not fit"):
        run_passes(graph)
    with pytest.raises(ValueError, match="do not fit"):
        run_passes(graph, strict=True)
    monkeypatch.delenv(run.STRICT_VARIABLE)
    assert [item.name for item in run_passes(graph).left_out] == ["wrong"]
    with pytest.raises(ValueError, match="do not fit"):
        run_passes(graph, strict=True)


def test_a_long_problem_is_cut(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pass(monkeypatch, lambda g: g.tensors["x" * 999])  # type: ignore[index, return-value]
    (item,) = run_passes(graph, strict=False).left_out
    assert item.problem == f"KeyError: '{'x' * 149}"


def test_nothing_to_do(graph: Graph) -> None:
    result = run_passes(graph)
    assert result.graph == graph
    assert result.records == ()
