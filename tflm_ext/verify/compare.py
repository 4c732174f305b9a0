"""Runs the C and TFLM, and compares them byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import VerificationError
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.verify.host import run_host
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]

_HINT = "Do not use these files. Export the model again; if the error persists, report this bug."


@dataclass(frozen=True, slots=True)
class Verification:
    """Proof that the C equals TensorFlow Lite Micro.

    Attributes:
        inputs: number of vectors compared.
        mismatches: number of output values that differ; always 0, because others are an error.
        outputs: TFLM's outputs, an array (vectors, *shape) for each.
    """

    inputs: int
    mismatches: int
    outputs: tuple[Array, ...]


def arena_for(graph: Graph) -> int:
    """Return a generous arena size for TFLM's interpreter, with all intermediate tensors kept."""
    tensors = sum(t.bytes + 256 for t in graph.tensors.values() if not t.constant)
    channels = sum(max(t.shape, default=1) * 16 for t in graph.tensors.values() if t.constant)
    return 2 * tensors + channels + 4096 * len(graph.nodes) + (1 << 20)


def verify(
    model: bytes,
    graph: Graph,
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    vectors: Sequence[Array],
) -> Verification:
    """Compare the C with TFLM on vectors that run one after another.

    Args:
        model: the bytes that TFLM runs.
        graph: as read from these bytes, before any pass.
        sources: the files of lib/<Name>/src/.
        vectors: an array (vectors, *shape) for each input.

    Raises:
        VerificationError: they differ; names the first operator whose output differs.
    """
    expected = run_tflm(model, vectors, len(graph.outputs), arena_bytes=arena_for(graph)).outputs
    got = run_host(facts, sources, vectors).outputs
    mismatches = sum(
        int(np.count_nonzero(e.reshape(len(e), -1) != g))
        for e, g in zip(expected, got, strict=True)
    )
    if mismatches:
        raise _explain(model, graph, facts, sources, vectors, mismatches)
    return Verification(len(vectors[0]), 0, expected)


def _explain(
    model: bytes,
    graph: Graph,
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    vectors: Sequence[Array],
    mismatches: int,
) -> VerificationError:
    try:
        compare_tensors(model, graph, facts, sources, vectors)
    except VerificationError as error:
        return error
    return VerificationError(
        f"{facts.name}: {mismatches:,} output bytes differ from TensorFlow Lite Micro.", _HINT
    )


def compare_tensors(
    model: bytes,
    graph: Graph,
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    vectors: Sequence[Array],
) -> int:
    """Compare all tensors that the C computes with TFLM's, in execution order.

    Slower than verify(), but also finds differences that later operators would hide.

    Returns:
        The number of tensors compared.

    Raises:
        VerificationError: a tensor differs; names the first operator.
    """
    traced = run_host(facts, sources, vectors, trace=True).tensors
    compared = [i for node in graph.nodes for i in node.outputs if i in traced]
    theirs = run_tflm(
        model, vectors, len(graph.outputs), arena_bytes=arena_for(graph), tensors=compared
    ).tensors
    for node in graph.nodes:
        for i in (i for i in node.outputs if i in theirs):
            ours = np.stack([np.frombuffer(b, graph.tensors[i].dtype.numpy) for b in traced[i]])
            expected = theirs[i].reshape(ours.shape)
            wrong = np.argwhere(ours != expected)
            if len(wrong):
                vector, element = wrong[0].tolist()
                e, g = int(expected[vector, element]), int(ours[vector, element])
                raise VerificationError(
                    f"{facts.name}: {graph.view(node).label} differs from TensorFlow Lite Micro: "
                    f"element {element} on input {vector} is {g} instead of {e}.",
                    _HINT,
                    operator=f"{node.index} {node.operator}",
                    index=element,
                    expected=e,
                    got=g,
                )
    return len(compared)
