"""How kernels walk two tensors that are broadcast against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.elementwise import binary
from tflm_ext.frontend import read_graph
from tflm_ext.kernels.elementwise import broadcast_fields

_size = st.integers(1, 3)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of rank 0 to 6 that can be broadcast."""
    full = draw(st.lists(_size, max_size=6))
    first, second = (
        [1 if draw(st.booleans()) else size for size in full][draw(st.integers(0, len(full))) :]
        for _ in range(2)
    )
    return tuple(first), tuple(second)


def walk(fields: dict[str, Any], side: int) -> list[int]:
    """The indices that a kernel visits, one output after another."""
    visited = []
    for run in range(fields["shape.runs"]):
        rest, start = run, 0
        for size, step in zip(
            reversed(fields["shape.sizes"]), reversed(fields[f"shape.steps{side}"]), strict=True
        ):
            start += rest % size * step
            rest //= size
        visited += [start + i * fields[f"shape.step{side}"] for i in range(fields["shape.length"])]
    return visited


@given(shapes())
def test_visits_what_broadcasting_means(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    graph = read_graph(binary("MAXIMUM", shapes))
    fields = dict(broadcast_fields(graph.view(graph.nodes[0])))
    output = np.broadcast_shapes(*shapes)
    for side, shape in enumerate(shapes, 1):
        indices = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        expected = np.broadcast_to(indices, output)
        assert walk(fields, side) == expected.ravel().tolist()


def test_joins_axes() -> None:
    graph = read_graph(binary("ADD", ((1, 8, 8, 6), (6,))))
    fields = dict(broadcast_fields(graph.view(graph.nodes[0])))
    assert fields["shape.runs"] == 64
    assert fields["shape.length"] == 6
    assert fields["shape.steps1"] == (0, 0, 0, 0, 6)
    assert fields["shape.steps2"] == (0, 0, 0, 0, 0)
