"""Removes conversions from and to float32 or uint8 at the ports of a model, which become int8.

Ports of int32 are not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tflm_ext.frontend.float_operators import DEQUANTIZE, QUANTIZE
from tflm_ext.frontend.parse import RawModel, RawNode, damage_refused, parse
from tflm_ext.frontend.subset import subset
from tflm_ext.frontend.wrapped import unwrap_positions
from tflm_ext.ir import DType, Tensor

_PORTS = (DType.FLOAT32, DType.UINT8)


@dataclass(frozen=True, slots=True)
class StrippedPort:
    """A QUANTIZE or DEQUANTIZE at an input or output of the model that was removed.

    Attributes:
        what: "input 0", "output 1".
        tensor_name: the port's name in the file; untrusted.
        dtype: the port's element type in the file.
    """

    what: str
    tensor_name: str
    dtype: DType

    def __str__(self) -> str:
        return (
            f"{self.what} {self.tensor_name[:80]!r} is {self.dtype.value} in the file; the "
            "project does not include this conversion, because its inputs and outputs are int8"
        )


@dataclass(frozen=True, slots=True)
class Int8Ports:
    """A model whose ports are int8 or int32 if possible.

    Attributes:
        data: bytes of a .tflite, used both by TFLM and by us; unchanged if nothing was removed.
        stripped: the conversions that were removed.
        notes: what else was changed about its inputs.
    """

    data: bytes
    stripped: tuple[StrippedPort, ...]
    notes: tuple[str, ...] = ()


def strip_ports(data: bytes, name: str = "model") -> Int8Ports:
    """Remove QUANTIZE after inputs, and DEQUANTIZE or QUANTIZE before outputs.

    Positions that count from the end are replaced as in unwrap_positions().

    TFLM still computes the same bits between them. Other ports that are not int8 are left alone;
    read_graph() refuses them.

    Args:
        data: bytes of the file; untrusted.
        name: the model's name, for messages.

    Raises:
        UnsupportedModelError: not a valid .tflite.
    """
    with damage_refused(name):
        data, notes = unwrap_positions(data, name)
        model = parse(data, name)
        inputs, entries = _entries(model)
        outputs, exits = _exits(model)
        removed = {node.index for node in (*entries, *exits)}
        if not removed:
            return Int8Ports(data, (), notes)
        kept = [n.index for n in model.nodes if n.index not in removed]
        stripped = [
            StrippedPort(f"{what} {i}", model.tensors[old].name, model.tensors[old].dtype)
            for what, before, after in (
                ("input", model.inputs, inputs),
                ("output", model.outputs, outputs),
            )
            for i, (old, new) in enumerate(zip(before, after, strict=True))
            if old != new
        ]
        return Int8Ports(subset(data, kept, inputs, outputs), tuple(stripped), notes)


def _entries(model: RawModel) -> tuple[tuple[int, ...], list[RawNode]]:
    """Return the int8 inputs, and the operators that convert to them."""
    readers = _by_tensor((i, node) for node in model.nodes for i in node.inputs)
    inputs, removed = list(model.inputs), []
    for place, i in enumerate(model.inputs):
        if model.tensors[i].dtype not in _PORTS or len(readers.get(i, ())) != 1:
            continue
        (node,) = readers[i]
        if node.code == QUANTIZE and _int8(model, node.outputs):
            inputs[place] = node.outputs[0]
            removed.append(node)
    return tuple(inputs), removed


def _exits(model: RawModel) -> tuple[tuple[int, ...], list[RawNode]]:
    """Return the int8 outputs, and the operators that convert from them."""
    read = {i for node in model.nodes for i in node.inputs}
    writers = _by_tensor((i, node) for node in model.nodes for i in node.outputs)
    outputs, removed = list(model.outputs), []
    for place, i in enumerate(model.outputs):
        if model.tensors[i].dtype not in _PORTS or i in read or len(writers.get(i, ())) != 1:
            continue
        (node,) = writers[i]
        if node.code in (QUANTIZE, DEQUANTIZE) and _int8(model, node.inputs):
            outputs[place] = node.inputs[0]
            removed.append(node)
    return tuple(outputs), removed


def _by_tensor(pairs: Iterable[tuple[int, RawNode]]) -> dict[int, list[RawNode]]:
    found: dict[int, list[RawNode]] = {}
    for i, node in pairs:
        found.setdefault(i, []).append(node)
    return found


def _int8(model: RawModel, tensors: Sequence[int]) -> bool:
    return len(tensors) == 1 and tensors[0] >= 0 and int8_port(model.tensors[tensors[0]])


def is_port(tensor: Tensor) -> bool:
    """Whether a tensor can be an input or an output of the generated code: int8, or int32."""
    if tensor.dtype is DType.INT32:
        return tensor.quantization is None and not tensor.constant and not tensor.variable
    return int8_port(tensor)


def int8_port(tensor: Tensor) -> bool:
    """Whether a tensor can be an input or an output of int8."""
    q = tensor.quantization
    return (
        tensor.dtype is DType.INT8
        and q is not None
        and not q.per_channel
        and -128 <= q.zero_point <= 127
        and not tensor.constant
        and not tensor.variable
    )
