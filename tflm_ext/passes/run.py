"""The rewrites in their order, and the proof that none of them changes a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.ir import Graph
from tflm_ext.ir.verify import verify_graph
from tflm_ext.ops import BY_NAME
from tflm_ext.ops.base import Array
from tflm_ext.ops.run import initial_state, run_graph
from tflm_ext.passes import (
    drop_channels,
    fold_constants,
    fuse_activation,
    fuse_pad,
    remove_unused,
    share_bytes,
)

Rewrite: TypeAlias = Callable[[Graph], Graph]
Values: TypeAlias = Mapping[int, Array]

REWRITES: tuple[tuple[str, Rewrite], ...] = (
    ("fold constants", fold_constants.rewrite),
    ("share bytes", share_bytes.rewrite),
    ("fuse pad", fuse_pad.rewrite),
    ("fuse activation", fuse_activation.rewrite),
    ("drop channels", drop_channels.rewrite),
    ("remove unused", remove_unused.rewrite),
)

_RANDOM_VECTORS = 2


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one rewrite did to a model.

    Attributes:
        name: of the rewrite.
        removed_tensors: numbers of the tensors that no operator computes any more.
        removed_nodes: numbers of the operators that are gone.
    """

    name: str
    removed_tensors: tuple[int, ...]
    removed_nodes: tuple[int, ...]


@dataclass(frozen=True)
class PassResult:
    """The rewritten graph; every tensor that it still has keeps the values that it had.

    Attributes:
        records: of the rewrites that removed something, in their order.
    """

    graph: Graph
    records: tuple[PassRecord, ...]


def run_passes(graph: Graph, *, prove: bool = True) -> PassResult:
    """Every rewrite, one after the other.

    Args:
        graph: as read and checked.
        prove: run the graph before and after every rewrite that changed a node, with the NumPy
            references, and compare all tensors that survive.

    Raises:
        AssertionError: a rewrite broke the graph; a bug of ours, whatever the model.
    """
    expected = _values(graph) if prove else None
    records = []
    for name, rewrite in REWRITES:
        rewritten = rewrite(graph)
        if rewritten == graph:
            continue
        _check(name, rewritten)
        if expected is not None and rewritten.nodes != graph.nodes:
            _compare(name, rewritten, expected, _values(rewritten))
        record = _record(name, graph, rewritten)
        if record.removed_tensors or record.removed_nodes:
            records.append(record)
        graph = rewritten
    return PassResult(graph, tuple(records))


def _record(name: str, before: Graph, after: Graph) -> PassRecord:
    return PassRecord(
        name,
        tuple(sorted(_computed(before) - _computed(after))),
        tuple(sorted({n.index for n in before.nodes} - {n.index for n in after.nodes})),
    )


def _computed(graph: Graph) -> set[int]:
    return {i for node in graph.nodes for i in node.outputs}


def _check(name: str, graph: Graph) -> None:
    problem = verify_graph(graph)
    if problem is not None:
        raise AssertionError(f"{name}: {problem}")
    for view in graph.views():
        try:
            BY_NAME[view.node.operator].check(view)
        except UnsupportedModelError as error:
            raise AssertionError(f"{name}: {error.problem}") from error


def _values(graph: Graph) -> tuple[Values, ...]:
    """All tensors for a few inputs, extremes among them, one after the other."""
    generator = np.random.default_rng(0)
    shapes = [graph.tensors[i].shape for i in graph.inputs]
    vectors = [[np.full(shape, level, np.int8) for shape in shapes] for level in (-128, 127)]
    vectors += [
        [generator.integers(-128, 128, shape, np.int8) for shape in shapes]
        for _ in range(_RANDOM_VECTORS)
    ]
    state = initial_state(graph)
    results = []
    for vector in vectors:
        values = run_graph(graph, vector, state)
        state = {i: values[i] for i in state}
        results.append(values)
    return tuple(results)


def _compare(
    name: str, graph: Graph, expected: tuple[Values, ...], got: tuple[Values, ...]
) -> None:
    for before, after in zip(expected, got, strict=True):
        for i, tensor in graph.tensors.items():
            value = tensor.array() if tensor.constant else after.get(i)
            # A tensor without a value is one that the next rewrites remove.
            if i in before and value is not None and not np.array_equal(before[i], value):
                raise AssertionError(f"{name}: tensor {i} has other values than before")
