"""Operators that only move values, which a converter left in float32 between int8 operators.

About one time in ten, at random even for the same model and data, TensorFlow's converter leaves a
SPLIT of an unrolled LSTM between DEQUANTIZE and QUANTIZE. In int8 it moves the same values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tflm_ext.frontend.float_operators import DEQUANTIZE, QUANTIZE
from tflm_ext.frontend.parse import RawModel, RawNode, damage_refused, parse
from tflm_ext.frontend.ports import int8_port
from tflm_ext.ir import DType
from tflm_ext.rewrite.edit import Edit, edited

_MOVERS = frozenset(
    {
        2,  # CONCATENATION
        22,  # RESHAPE
        39,  # TRANSPOSE
        43,  # SQUEEZE
        45,  # STRIDED_SLICE
        49,  # SPLIT
        65,  # SLICE
        70,  # EXPAND_DIMS
        83,  # PACK
        88,  # UNPACK
        97,  # RESIZE_NEAREST_NEIGHBOR
        102,  # SPLIT_V
    }
)


def narrow_moves(data: bytes, name: str = "model") -> bytes:
    """Let operators that only move values do so in int8, where float32 is between equal scales.

    Quantising what was dequantised with the same scale and zero point returns the same int8.

    Args:
        data: bytes of the file; not trusted.
        name: the name that messages use for the model.

    Returns:
        The bytes of a .tflite; the original ones if there is no such operator.

    Raises:
        UnsupportedModelError: not a valid .tflite.
        ToolError: the program that writes the new file failed.
    """
    with damage_refused(name):
        model = parse(data, name)
        edit = _edit(model)
        return data if edit is None else edited(data, edit)


def _edit(model: RawModel) -> Edit | None:
    """What to change; None for nothing."""
    flow = _Flow(model)
    types: dict[int, int] = {}
    sources: dict[int, int] = {}
    renamed: dict[int, int] = {}
    for region in flow.regions():
        around = flow.around(region)
        if around is not None:
            sources |= around.sources
            like = next(iter(around.sources.values()))
            types |= {i: like for node in region for i in flow.floats(node.outputs)}
            renamed |= around.renamed
    if not types:
        return None
    inputs = {}
    for node in model.nodes:
        moves = node.code in _MOVERS and types.keys() >= flow.floats(node.outputs)
        numbers = [sources.get(i, i) if moves else i for i in node.inputs]
        inputs[node.index] = tuple(renamed.get(i, i) for i in numbers)
    read = {i for numbers in inputs.values() for i in numbers} | set(model.outputs)
    ended = {*sources, *renamed} - read
    return Edit(
        removed=tuple(n.index for n in model.nodes if n.outputs and ended.issuperset(n.outputs)),
        types=types,
        inputs={n.index: inputs[n.index] for n in model.nodes if inputs[n.index] != n.inputs},
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What is around operators that move float32 between tensors of one scale.

    Attributes:
        sources: by dequantised tensor, the int8 tensor that it is made of.
        renamed: by quantised tensor, the float32 tensor that it is made of.
    """

    sources: Mapping[int, int]
    renamed: Mapping[int, int]


class _Flow:
    """Who writes and reads the tensors of a model."""

    def __init__(self, model: RawModel) -> None:
        self.model = model
        self.writers = {i: node for node in model.nodes for i in node.outputs}
        self.readers: dict[int, list[RawNode]] = {}
        for node in model.nodes:
            for i in node.inputs:
                self.readers.setdefault(i, []).append(node)

    def floats(self, numbers: Iterable[int]) -> set[int]:
        tensors = self.model.tensors
        return {i for i in numbers if i >= 0 and tensors[i].dtype is DType.FLOAT32}

    def regions(self) -> Iterator[list[RawNode]]:
        """Operators that move float32, each with those that it exchanges values with."""
        left = {n.index: n for n in self.model.nodes if self._moves(n)}
        while left:
            region = [left.pop(next(iter(left)))]
            for node in region:  # grows
                near = [self.writers[i] for i in self.floats(node.inputs) if i in self.writers]
                near += [n for i in self.floats(node.outputs) for n in self.readers.get(i, ())]
                region += [left.pop(n.index) for n in near if n.index in left]
            yield region

    def _moves(self, node: RawNode) -> bool:
        return node.code in _MOVERS and bool(self.floats((*node.inputs, *node.outputs)))

    def around(self, region: Sequence[RawNode]) -> _Around | None:
        """What is around a region; None if it needs float32."""
        tensors = self.model.tensors
        inside = {node.index for node in region}
        written = {i for node in region for i in self.floats(node.outputs)}
        entered = {i for node in region for i in self.floats(node.inputs)} - written
        before = {i: self.writers.get(i) for i in entered}
        after = [n for i in written for n in self.readers.get(i, ()) if n.index not in inside]
        if (
            not entered
            or written & set(self.model.outputs)
            or any(node is None or not _converts(node, DEQUANTIZE) for node in before.values())
            or not all(_converts(node, QUANTIZE) for node in after)
        ):
            return None
        sources = {i: node.inputs[0] for i, node in before.items() if node is not None}
        ends = {node.outputs[0]: node.inputs[0] for node in after}
        quantised = [tensors[i] for i in (*sources.values(), *ends)]
        if any(
            not int8_port(tensor) or tensor.quantization != quantised[0].quantization
            for tensor in quantised
        ):
            return None
        outputs = self.model.outputs
        return _Around(sources, {i: source for i, source in ends.items() if i not in outputs})


def _converts(node: RawNode, code: int) -> bool:
    """Whether an operator is this conversion, of one tensor; a damaged file may have any number."""
    return node.code == code and len(node.inputs) == len(node.outputs) == 1 and node.inputs[0] >= 0
