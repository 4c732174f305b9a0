"""Tensor, Quantization, Node and Graph: frozen values, compared by content."""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.ir.names import keras_layer


class DType(enum.Enum):
    """Element types of tensors, with NumPy's names."""

    BOOL = "bool"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The little-endian NumPy type."""
        return np.dtype(self.value).newbyteorder("<")

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def c(self) -> str:
        """The C99 type."""
        return {"bool": "bool", "float32": "float"}.get(self.value, f"{self.value}_t")


@dataclass(frozen=True, slots=True)
class Limits:
    """The smallest and the largest value that elements of an integer type may have."""

    dtype: DType
    low: int
    high: int

    @classmethod
    def of(cls, dtype: DType) -> Limits:
        """All values of a type."""
        info = np.iinfo(dtype.numpy)
        return cls(dtype, int(info.min), int(info.max))

    @property
    def whole(self) -> bool:
        """Whether every value of the type is allowed."""
        return self == Limits.of(self.dtype)

    def within(self, other: Limits) -> Limits:
        """The values that both allow; none where low is above high."""
        return Limits(self.dtype, max(self.low, other.low), min(self.high, other.high))

    def allow(self, values: np.ndarray[Any, Any]) -> bool:
        """Whether all of these values are allowed."""
        return bool(((self.low <= values) & (values <= self.high)).all())


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (quantised - zero_point), per tensor or per channel.

    Attributes:
        scales: one scale, or one per channel; each a float32 value, finite and positive; 0
            where a constant is zero.
        zero_points: one for each scale.
        axis: the axis of the channels; 0 if there is one scale.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1

    @property
    def scale(self) -> float:
        """The only scale of a per-tensor quantisation."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The only zero point of a per-tensor quantisation."""
        (zero_point,) = self.zero_points
        return zero_point


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        index: its number in the .tflite; tensors added by passes get the next free numbers.
        name: text from the model, untrusted.
        shape: fixed and complete, batch included; () is a scalar.
        data: little-endian bytes of a constant; None if the tensor is computed.
        variable: keeps its value between calls (the state of a recurrent operator).
        alias: number of the tensor whose bytes this one shares, in a different shape.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: bytes | None = None
    variable: bool = False
    alias: int | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def constant(self) -> bool:
        return self.data is not None

    def array(self) -> np.ndarray[Any, Any]:
        """The read-only values of a constant, in its shape."""
        if self.data is None:
            raise TypeError(f"tensor {self.index} {self.name[:80]!r} is not a constant")
        return np.frombuffer(self.data, self.dtype.numpy).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph.

    Attributes:
        index: its number in the .tflite, which messages show; passes do not change it.
        operator: TensorFlow Lite's name, like "CONV_2D".
        inputs: tensor numbers; -1 for an optional input that is absent.
        outputs: tensor numbers.
        options: the frozen options dataclass of the operator's file in ops/; None if it has none.
        intermediates: numbers of tensors that only provide a quantisation (recurrent operators).
    """

    index: int
    operator: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A model: nodes in execution order over numbered tensors.

    Attributes:
        name: of the model, for messages.
        tensors: by number.
        nodes: in execution order.
        inputs: tensor numbers of the model's inputs, in order.
        outputs: tensor numbers of the model's outputs, in order.
    """

    name: str
    tensors: Mapping[int, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    @functools.cached_property
    def memo(self) -> dict[Any, Any]:
        """Cache for results of pure functions of its nodes."""
        return {}

    def view(self, node: Node) -> NodeView:
        return NodeView(self, node)

    def views(self) -> Iterable[NodeView]:
        return (NodeView(self, node) for node in self.nodes)

    def with_tensors(self, *tensors: Tensor) -> Graph:
        """Return a copy in which these tensors are added or replaced."""
        return replace(self, tensors={**self.tensors, **{t.index: t for t in tensors}})

    def storage(self, tensor: int) -> int:
        """Return the tensor that owns a tensor's bytes: itself, or the end of its alias chain."""
        while (alias := self.tensors[tensor].alias) is not None:
            tensor = alias
        return tensor

    def producer(self, tensor: int) -> Node | None:
        """Return the node that writes a tensor; None for inputs and constants."""
        return next((n for n in self.nodes if tensor in n.outputs), None)

    def consumers(self, tensor: int) -> tuple[Node, ...]:
        """Return the nodes that read a tensor, in execution order."""
        return tuple(n for n in self.nodes if tensor in n.inputs)

    def next_tensor_index(self) -> int:
        return max(self.tensors, default=-1) + 1


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node together with its tensors, as the functions in ops/ see it."""

    graph: Graph
    node: Node

    @property
    def options(self) -> Any:
        return self.node.options

    @property
    def input_count(self) -> int:
        return len(self.node.inputs)

    @property
    def output_count(self) -> int:
        return len(self.node.outputs)

    def has_input(self, i: int) -> bool:
        return i < len(self.node.inputs) and self.node.inputs[i] >= 0

    def input(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.node.inputs[i]]

    def output(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.node.outputs[i]]

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All inputs that are present."""
        return tuple(self.graph.tensors[i] for i in self.node.inputs if i >= 0)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(self.graph.tensors[i] for i in self.node.outputs)

    @property
    def keras_layer(self) -> str | None:
        """The operator's Keras layer, derived from the name of its output."""
        return keras_layer(self.output().name) if self.node.outputs else None

    @property
    def label(self) -> str:
        """The node in messages: "operator 3 CONV_2D (Keras layer conv2d_1)"."""
        layer = self.keras_layer
        where = f" (Keras layer {layer})" if layer else ""
        return f"operator {self.node.index} {self.node.operator}{where}"

    def reject(self, problem: str, hint: str, tensor: Tensor | None = None) -> NoReturn:
        """Raise UnsupportedModelError that names model, operator, layer and tensor."""
        which = f", tensor {tensor.name[:80]!r}" if tensor is not None else ""
        raise UnsupportedModelError(f"{self.graph.name}: {self.label}{which}: {problem}.", hint)

    def require(
        self, condition: bool, problem: str, hint: str, tensor: Tensor | None = None
    ) -> None:
        """Reject the node unless the condition holds."""
        if not condition:
            self.reject(problem, hint, tensor)
