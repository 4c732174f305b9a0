"""Equality of generated C, NumPy references and TensorFlow Lite Micro, for tests of operators."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from tflm_ext.emit.model import model_files
from tflm_ext.frontend import input_ports, output_ports, read_graph, strip_ports
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.opslib.base import Array
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.plan.footprint import arena_bytes
from tflm_ext.reference import initial_state, run_graph
from tflm_ext.verify.compare import arena_for, verify
from tflm_ext.verify.host import run_host
from tflm_ext.verify.tflm_child import compute
from tflm_ext.verify.vectors import make_vectors


def facts_for(model: bytes, graph: Graph, plan: Plan, name: str) -> ModelFacts:
    return ModelFacts(
        name=name,
        library=name.capitalize(),
        sha256=hashlib.sha256(model).hexdigest(),
        inputs=input_ports(graph),
        outputs=output_ports(graph),
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        macs=plan.macs,
        version="test",
        command="test",
        golden=(),
    )


def run_here(
    model: bytes, inputs: Sequence[Array], output_count: int, arena_bytes: int
) -> Sequence[Array]:
    """TFLM in this process, unlike the product: a child for each of many models is slow."""
    return compute(model, inputs, output_count, arena_bytes)[0]


def assert_exact(model: bytes, *, name: str = "net", c: bool = True, seed: int = 0) -> Plan:
    """The NumPy reference equals TFLM and, unless c=False, so does the compiled C.

    At least 64 inputs, one after another. Compiling takes about a second: compare many models
    with c=False, and a few that stand for them with c=True. The plan is that for speed, which has
    the fast kernels even where a net is too small for their code.
    """
    model = strip_ports(model, name).data
    graph = read_graph(model, name, run=run_here)
    vectors = make_vectors(input_ports(graph), seed=seed)
    expected = run_here(model, vectors, len(graph.outputs), arena_for(graph))
    state = initial_state(graph)
    for v, vector in enumerate(zip(*vectors, strict=True)):
        values = run_graph(graph, vector, state)
        state = {i: values[i] for i in state}
        for i, e in zip(graph.outputs, expected, strict=True):
            np.testing.assert_array_equal(values[i], e[v], f"NumPy, vector {v}, tensor {i}")
    plan = make_plan(run_passes(graph).graph, Optimize.SPEED)
    if c:
        facts = facts_for(model, graph, plan, name)
        files = model_files(facts, plan)
        got = run_host(facts, files, vectors).outputs
        if not all(
            np.array_equal(e.reshape(g.shape), g) for e, g in zip(expected, got, strict=True)
        ):
            verify(model, graph, facts, files, vectors)  # names the operator
            raise AssertionError("the C differs from TFLM in this process, and not in another")
    return plan
