"""Float islands: DEQUANTIZE, float32 operators and QUANTIZE inside an int8 model.

An elementwise island with one int8 input and one int8 output is a function of one int8 value. TFLM
itself computes this function: it runs the island, extracted from the model, on all 256 values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.float_operators import DEQUANTIZE, ELEMENTWISE, QUANTIZE
from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.frontend.remedies import node_label
from tflm_ext.frontend.subset import subset
from tflm_ext.ir import DType, Node
from tflm_ext.ops.table import TableOptions
from tflm_ext.opslib.base import Array

Run: TypeAlias = Callable[[bytes, Sequence[Array], int, int], Sequence[Array]]
"""TFLM's interpreter. Takes the bytes of a .tflite, an array (vectors, *shape) for each input, the
number of outputs and the arena's size in bytes; returns an array (vectors, *shape) per output."""

_MAX_BYTES = 1 << 28
_MAX_NODES = 64


@dataclass(frozen=True, slots=True)
class Island:
    """A part of the model that is replaced by one TABLE.

    Attributes:
        nodes: in the order of the file; the last one is the QUANTIZE.
        source, target: its int8 input and output.
    """

    nodes: tuple[RawNode, ...]
    source: int
    target: int


def is_float(node: RawNode, model: RawModel) -> bool:
    """Whether an operator reads or writes float32."""
    numbers = (*node.inputs, *node.outputs)
    return any(model.tensors[i].dtype is DType.FLOAT32 for i in numbers if i >= 0)


def find_islands(model: RawModel) -> tuple[Island, ...]:
    """Find all islands that can become tables; islands may share operators."""
    writers = {i: node for node in model.nodes for i in node.outputs}
    ends = [n for n in model.nodes if n.code == QUANTIZE and is_float(n, model)]
    return tuple(island for end in ends if (island := _island(model, writers, end)) is not None)


def _island(model: RawModel, writers: Mapping[int, RawNode], end: RawNode) -> Island | None:
    nodes, sources, waiting = {end.index: end}, set(), [end]
    while waiting and len(nodes) <= _MAX_NODES:
        node = waiting.pop()
        for i in node.inputs:
            tensor = model.tensors.get(i)
            if tensor is None or (tensor.constant and tensor.elements == 1):
                continue
            if tensor.dtype is not DType.FLOAT32:
                sources.add(i)
            elif i not in writers:
                return None
            elif writers[i].index not in nodes:
                nodes[writers[i].index] = writers[i]
                waiting.append(writers[i])
    return _checked(model, tuple(nodes[i] for i in sorted(nodes)), sources)


def _checked(model: RawModel, nodes: tuple[RawNode, ...], sources: set[int]) -> Island | None:
    """Return the island if it is a function of one int8 value, None if it is not."""
    if len(nodes) > _MAX_NODES or len(sources) != 1 or any(len(n.outputs) != 1 for n in nodes):
        return None
    (source,) = sources
    last = nodes[-1].outputs[0]
    shape = model.tensors[source].shape
    good = all(
        model.tensors[n.outputs[0]].shape == shape
        and _reads(n, model) == (DType.INT8 if n.code == DEQUANTIZE else DType.FLOAT32)
        and _writes(n, model) == (DType.INT8 if n is nodes[-1] else DType.FLOAT32)
        and (n.code in ELEMENTWISE or n.code == DEQUANTIZE or n is nodes[-1])
        for n in nodes
    )
    constant = model.tensors[source].constant
    return Island(nodes, source, last) if good and not constant else None


def _reads(node: RawNode, model: RawModel) -> DType | None:
    """Return the element type of all inputs; None if they differ, or one is absent."""
    types = {model.tensors[i].dtype if i >= 0 else None for i in node.inputs}
    return types.pop() if len(types) == 1 else None


def _writes(node: RawNode, model: RawModel) -> DType:
    return model.tensors[node.outputs[0]].dtype


def tabulate(
    data: bytes, model: RawModel, islands: Sequence[Island], run: Run, name: str
) -> Iterator[Node]:
    """Compute the TABLE of every island; they are returned in any order.

    Raises:
        UnsupportedModelError: TFLM refuses an island, or an island is too large.
    """
    waiting = list(islands)
    while waiting:
        # Run many islands at once: those of the same shape that do not read each other's outputs.
        targets = {island.target for island in waiting}
        shape = model.tensors[waiting[0].source].shape
        batch = [
            island
            for island in waiting
            if island.source not in targets and model.tensors[island.source].shape == shape
        ] or [next(island for island in waiting if island.source not in targets)]
        waiting = [island for island in waiting if island not in batch]
        yield from _run(data, model, batch, run, name)


def _run(
    data: bytes, model: RawModel, batch: Sequence[Island], run: Run, name: str
) -> Iterator[Node]:
    sources = sorted({island.source for island in batch})
    targets = [island.target for island in batch]
    operators = sorted({node.index for island in batch for node in island.nodes})
    shape = model.tensors[sources[0]].shape
    elements = model.tensors[sources[0]].elements
    vectors = -(-256 // elements)
    arena = (1 << 20) + 8 * elements * (len(operators) + len(sources) + 1) + 4096 * len(operators)
    if arena + vectors * elements * len(sources) > _MAX_BYTES:
        raise UnsupportedModelError(
            f"{name}: {node_label(batch[0].nodes[1], model)} and the float32 operators around it "
            f"work on {elements:,} elements, which is too many for a microcontroller.",
            "Make the layer smaller.",
        )
    levels = np.resize(np.arange(-128, 128).astype(np.int8), (vectors, *shape))
    cut = subset(data, operators, sources, targets)
    results = run(cut, [levels] * len(sources), len(targets), arena)
    for island, result in zip(batch, results, strict=True):
        values = np.asarray(result)
        if values.dtype != np.int8 or values.size != vectors * elements:
            raise TypeError("the interpreter returned a type or shape that differs from the file")
        yield Node(
            index=island.nodes[-1].index,
            operator="TABLE",
            inputs=(island.source,),
            outputs=(island.target,),
            options=TableOptions(values.ravel()[:256].tobytes()),
        )
