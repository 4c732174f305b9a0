"""All rewrites, in their order and in others, on random graphs: none raises, no output changes.

TFLM_EXT_GRAPH_ROUNDS and TFLM_EXT_GRAPH_SEED ask for more, and for others; `make fuzz-passes`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from tests.harness import assert_exact
from tests.passes.random_graphs import random_graph
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph
from tflm_ext.passes import run, run_passes
from tflm_ext.reference import run_outputs

ROUNDS = int(os.environ.get("TFLM_EXT_GRAPH_ROUNDS", "1"))
FIRST = int(os.environ.get("TFLM_EXT_GRAPH_SEED", "0"))
REWRITTEN, SHUFFLED, INTERPRETED, COMPILED = (n * ROUNDS for n in (200, 60, 24, 3))
_VECTORS = 3


def graphs(count: int) -> Iterator[tuple[int, Graph]]:
    """With their seeds; a few have a shape that TFLM does not take."""
    refused = 0
    for seed in range(FIRST, FIRST + count):
        try:
            graph = read_graph(random_graph(seed), f"seed {seed}")
        except UnsupportedModelError:
            refused += 1
            continue
        yield seed, graph
    assert refused <= 1 + count // 50


def assert_same_outputs(seed: int, graph: Graph, rewritten: Graph) -> None:
    """With inputs that the proof of the rewrites has not seen."""
    draw = np.random.default_rng([seed, 1])
    for _ in range(_VECTORS):
        inputs = [draw.integers(-128, 128, graph.tensors[i].shape, np.int8) for i in graph.inputs]
        pairs = zip(run_outputs(graph, inputs), run_outputs(rewritten, inputs), strict=True)
        for expected, got in pairs:
            np.testing.assert_array_equal(got, expected, f"seed {seed}")


def test_every_rewrite_leaves_the_outputs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    changed: Counter[str] = Counter()

    def counted(name: str, rewrite: run.Rewrite) -> tuple[str, run.Rewrite]:
        def wrapper(graph: Graph) -> Graph:
            rewritten = rewrite(graph)
            changed[name] += rewritten != graph
            return rewritten

        return name, wrapper

    monkeypatch.setattr(run, "REWRITES", tuple(counted(*rewrite) for rewrite in run.REWRITES))
    for seed, graph in graphs(REWRITTEN):
        assert_same_outputs(seed, graph, run_passes(graph, strict=True).graph)
    # The graphs are such that there is something to rewrite.
    for name, _ in run.REWRITES:
        assert changed[name] >= REWRITTEN // 50, name


def test_rewrites_do_not_depend_on_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rewrites = run.REWRITES
    for seed, graph in graphs(SHUFFLED):
        order = np.random.default_rng([seed, 2]).integers(0, len(rewrites), 2 * len(rewrites))
        monkeypatch.setattr(run, "REWRITES", tuple(rewrites[i] for i in order))
        assert_same_outputs(seed, graph, run_passes(graph, strict=True).graph)


def test_tflm_agrees() -> None:
    for seed, _ in graphs(INTERPRETED):
        assert_exact(random_graph(seed), c=False, seed=seed)


def test_the_c_of_rewritten_graphs_agrees_with_tflm() -> None:
    for seed, _ in graphs(COMPILED):
        assert_exact(random_graph(seed), seed=seed)
