"""The rewrites in their order."""

from __future__ import annotations

from tflm_ext.ir import Graph


def run_passes(graph: Graph) -> Graph:
    """Every rewrite, one after the other."""
    return graph
