"""Keras 3 lets the positions of an Embedding count from the end; TFLM's GATHER does not.

Its graph is GATHER(table, SELECT(LESS(x, 0), ADD(x, rows), x)), and TFLM has no SELECT of integers.
For positions from 0 to rows - 1 that is GATHER(table, x), which takes no others.
"""

from __future__ import annotations

from collections.abc import Mapping

from tflm_ext.frontend.parse import RawModel, RawNode, parse
from tflm_ext.frontend.subset import subset
from tflm_ext.ir import DType

_ADD, _GATHER, _LESS, _SELECT, _SELECT_V2 = 0, 36, 58, 64, 123


def unwrap_positions(data: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Let every GATHER read its positions as they are.

    Args:
        data: bytes of a file that parse() accepts.
        name: the name that messages use for the model.

    Returns:
        The bytes of a .tflite, the original ones if no positions are wrapped, and a note for every
        input of the model that no longer counts from the end.

    Raises:
        MalformedError: not a valid .tflite.
        UnsupportedModelError: a valid one with something that this project does not know.
    """
    model = parse(data, name)
    writers = {i: node for node in model.nodes for i in node.outputs}
    plain: dict[int, tuple[int, ...]] = {}
    for node in model.nodes:
        if node.code == _GATHER and len(node.inputs) == 2:
            source = _wrapped(model, writers, node)
            if source is not None:
                plain[node.index] = (node.inputs[0], source)
    if not plain:
        return data, ()
    kept = _needed(model, plain)
    rewired = {index: inputs for index, inputs in plain.items() if index in kept}
    notes = tuple(
        f"input {place} {model.tensors[i].name[:80]!r}: positions below 0, which Keras counts from "
        "the end, are not supported"
        for place, i in enumerate(model.inputs)
        if any(inputs[1] == i for inputs in plain.values())
    )
    return subset(data, kept, model.inputs, model.outputs, rewired), notes


def _wrapped(model: RawModel, writers: Mapping[int, RawNode], gather: RawNode) -> int | None:
    """The tensor whose negative values are counted from the end of a GATHER's axis."""
    select = writers.get(gather.inputs[1])
    if select is None or select.code not in (_SELECT, _SELECT_V2) or len(select.inputs) != 3:
        return None
    condition, counted, source = select.inputs
    less, add = writers.get(condition), writers.get(counted)
    if less is None or add is None or (less.code, add.code) != (_LESS, _ADD):
        return None
    if (len(less.inputs), len(add.inputs)) != (2, 2) or {less.inputs[0], add.inputs[0]} != {source}:
        return None
    table = model.tensors[gather.inputs[0]].shape
    axis = gather.options.int32(0) if gather.options is not None else 0
    if not -len(table) <= axis < len(table):
        return None
    zero, size = (_integer(model, node.inputs[1]) for node in (less, add))
    return source if (zero, size) == (0, table[axis]) else None


def _integer(model: RawModel, number: int) -> int | None:
    """The value of a constant int32 tensor with one element."""
    tensor = model.tensors[number] if number >= 0 else None
    if tensor is None or not tensor.constant or (tensor.dtype, tensor.elements) != (DType.INT32, 1):
        return None
    return int(tensor.array().reshape(-1)[0])


def _needed(model: RawModel, rewired: Mapping[int, tuple[int, ...]]) -> list[int]:
    """Numbers of the operators without those that only made wrapped positions."""
    left = list(model.nodes)
    while True:
        read = {i for node in left for i in rewired.get(node.index, node.inputs)}
        read |= set(model.outputs)
        needed = [
            node
            for node in left
            if node.code not in (_ADD, _LESS, _SELECT, _SELECT_V2) or read & set(node.outputs)
        ]
        if len(needed) == len(left):
            return [node.index for node in left]
        left = needed
