"""The rewrites in their order, and the proof that none of them changes a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.limits import input_ports
from tflm_ext.ir import Graph
from tflm_ext.ir.verify import verify_graph
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.base import Array
from tflm_ext.passes import (
    drop_channels,
    fold_constants,
    fuse_activation,
    fuse_pad,
    remove_unused,
    share_bytes,
)
from tflm_ext.passes.changes import Change
from tflm_ext.reference import initial_state, run_graph

Rewrite: TypeAlias = Callable[[Graph], Graph]
Explain: TypeAlias = Callable[[Graph, Graph], list[Change]]
Vector: TypeAlias = Sequence[Array]
"""One array for each input of the graph."""
Values: TypeAlias = Mapping[int, Array]

REWRITES: tuple[tuple[str, Rewrite], ...] = (
    ("fold constants", fold_constants.rewrite),
    ("share bytes", share_bytes.rewrite),
    ("fuse pad", fuse_pad.rewrite),
    ("fuse activation", fuse_activation.rewrite),
    ("drop channels", drop_channels.rewrite),
    ("remove unused", remove_unused.rewrite),
)

_EXPLAIN: Mapping[str, Explain] = {
    "fold constants": fold_constants.explain,
    "share bytes": share_bytes.explain,
    "fuse pad": fuse_pad.explain,
    "fuse activation": fuse_activation.explain,
    "drop channels": drop_channels.explain,
    "remove unused": remove_unused.explain,
}

STRICT_VARIABLE = "TFLM_EXT_STRICT"
"""If set to 1, a rewrite that fails is an error, also in child processes; for the test suite."""

_RANDOM_VECTORS = 2
_MAX_PROBLEM = 160


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one rewrite removed from a model.

    Attributes:
        name: of the rewrite.
        removed_tensors: numbers of tensors that are no longer computed.
        removed_nodes: numbers of removed operators.
    """

    name: str
    removed_tensors: tuple[int, ...]
    removed_nodes: tuple[int, ...]


@dataclass(frozen=True)
class PassStep:
    """A graph before and after a rewrite that changed it."""

    name: str
    before: Graph
    after: Graph

    def changes(self) -> tuple[Change, ...]:
        """Return what the rewrite changed, and why; computed on demand."""
        return tuple(_EXPLAIN[self.name](self.before, self.after))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A rewrite that failed and was left out; a bug in tflm_ext.

    Attributes:
        name: of the rewrite.
        problem: the error, in one line.
    """

    name: str
    problem: str

    def __str__(self) -> str:
        return (
            f"the rewrite '{self.name}' failed on this model and was left out ({self.problem}); "
            "the export is correct, but may be larger and slower. Please report this bug"
        )


@dataclass(frozen=True)
class PassResult:
    """The rewritten graph; all remaining tensors have the same values as before.

    Attributes:
        records: of rewrites that removed operators or tensors, in order.
        left_out: rewrites that failed, in order.
        steps: all rewrites that changed the graph, in order.
    """

    graph: Graph
    records: tuple[PassRecord, ...]
    left_out: tuple[LeftOut, ...] = ()
    steps: tuple[PassStep, ...] = ()


def run_passes(graph: Graph, *, prove: bool = True, strict: bool | None = None) -> PassResult:
    """Run all rewrites, one after another.

    Args:
        graph: as read and checked.
        prove: after every rewrite that changed a node, compute the graph before and after with the
            NumPy references, and compare all remaining tensors.
        strict: let errors of a rewrite pass, and raise AssertionError if it breaks the graph.
            Otherwise the rewrite is left out, and the next one continues from the graph before it.
            None follows STRICT_VARIABLE.
    """
    if strict is None:
        strict = os.environ.get(STRICT_VARIABLE) == "1"
    inputs = _inputs(graph)
    expected = _values(graph, inputs) if prove else None
    records, left_out, steps = [], [], []
    for name, rewrite in REWRITES:
        try:
            rewritten = _rewritten(name, rewrite, graph, inputs, expected)
        except Exception as error:  # any error: the model is correct without the rewrite
            if strict:
                raise
            left_out.append(LeftOut(name, _one_line(error)))
            continue
        record = _record(name, graph, rewritten)
        if record.removed_tensors or record.removed_nodes:
            records.append(record)
        if rewritten is not graph:
            steps.append(PassStep(name, graph, rewritten))
        graph = rewritten
    return PassResult(graph, tuple(records), tuple(left_out), tuple(steps))


def _rewritten(
    name: str,
    rewrite: Rewrite,
    graph: Graph,
    inputs: Sequence[Vector],
    expected: tuple[Values, ...] | None,
) -> Graph:
    """Return the result of a rewrite.

    Args:
        inputs: inputs on which values are compared.
        expected: all values of the model for these inputs; None to skip the comparison.

    Raises:
        AssertionError: the rewrite broke the graph.
    """
    rewritten = rewrite(graph)
    if rewritten == graph:
        return graph
    _check(name, rewritten)
    if expected is not None and rewritten.nodes != graph.nodes:
        _compare(name, rewritten, expected, _values(rewritten, inputs))
    return rewritten


def _one_line(error: Exception) -> str:
    """Return type and text of an error in one line; it may contain untrusted names."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_PROBLEM]
    return "".join(character if character.isprintable() else "?" for character in text)


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


def _inputs(graph: Graph) -> tuple[Vector, ...]:
    """Return a few inputs, including extremes."""
    generator = np.random.default_rng(0)
    ports = input_ports(graph)
    noise = [[port.random(generator, 1)[0] for port in ports] for _ in range(_RANDOM_VECTORS)]
    return ([port.lowest for port in ports], [port.highest for port in ports], *noise)


def _values(graph: Graph, inputs: Sequence[Vector]) -> tuple[Values, ...]:
    """Return the values of all tensors for these inputs, which run one after another."""
    state = initial_state(graph)
    results = []
    for vector in inputs:
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
            # Tensors without a value are removed by later rewrites.
            if i in before and value is not None and not np.array_equal(before[i], value):
                which = f"tensor {i} {tensor.name[:80]!r}"
                raise AssertionError(f"{name}: {which} has different values from before")
