"""Small .tflite files for tests, written with the schema classes that tflite_micro ships.

b = ModelBuilder()
x = b.tensor((1, 8, 8, 3), scale=0.1, zero_point=-5)
w = b.constant(weights, scale=[0.01, 0.02], axis=0)
y = b.tensor((1, 8, 8, 2), scale=0.2)
b.operator("CONV_2D", [x, w], [y], options)
model = b.finish(inputs=[x], outputs=[y])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "uint32": schema.TensorType.UINT32,
    "uint64": schema.TensorType.UINT64,
    "bool": schema.TensorType.BOOL,
    "int16": schema.TensorType.INT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
}


class ModelBuilder:
    """Collects tensors and operators, and writes the file."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def tensor(
        self,
        shape: Sequence[int],
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        dtype: str = "int8",
        name: str | None = None,
        variable: bool = False,
        signature: Sequence[int] | None = None,
    ) -> int:
        """A computed tensor; returns its number. A signature has -1 for sizes that are free."""
        number = self._add(shape, dtype, scale, zero_point, axis, name, None, variable)
        self._tensors[number].shapeSignature = None if signature is None else list(signature)
        return number

    def constant(
        self,
        values: Any,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """A constant tensor with the shape and type of an array; returns its number."""
        array = np.asarray(values)
        return self._add(
            array.shape, array.dtype.name, scale, zero_point, axis, name, array.tobytes(), False
        )

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        *,
        version: int = 1,
        intermediates: Sequence[int] = (),
    ) -> None:
        """An operator; options is an ...OptionsT object of the schema."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        operator.intermediates = list(intermediates) or None
        if options is not None:
            operator.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self._operators.append(operator)

    def custom(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, int] | None = None,
    ) -> None:
        """A custom operator; its options become a map of a flexbuffer."""
        self.operator("CUSTOM", inputs, outputs)
        self._codes[-1].customCode = name.encode()
        if options:
            data = flexbuffers.Dumps(dict(options))
            self._operators[-1].customOptions = np.frombuffer(data, np.uint8)

    def include(self, model: bytes) -> tuple[list[int], list[int]]:
        """All of another file, in addition to what is there; returns its inputs and outputs."""
        other = schema.ModelT.InitFromPackedBuf(model)
        (graph,) = other.subgraphs
        tensors, buffers, codes = map(len, (self._tensors, self._buffers, self._codes))

        def moved(numbers: Sequence[int] | None) -> list[int]:
            return [n if n < 0 else n + tensors for n in (() if numbers is None else numbers)]

        for tensor in graph.tensors:
            tensor.buffer += buffers
        for operator in graph.operators:
            operator.opcodeIndex += codes
            operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
            operator.intermediates = moved(operator.intermediates) or None
        self._tensors += graph.tensors
        self._buffers += other.buffers
        self._codes += other.operatorCodes
        self._operators += graph.operators
        return moved(graph.inputs), moved(graph.outputs)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The bytes of the file."""
        graph = schema.SubGraphT()
        graph.tensors = self._tensors
        graph.inputs = list(inputs)
        graph.outputs = list(outputs)
        graph.operators = self._operators
        graph.name = b"main"
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = self._codes
        model.subgraphs = [graph]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _add(
        self,
        shape: Sequence[int],
        dtype: str,
        scale: float | Sequence[float] | None,
        zero_point: int,
        axis: int,
        name: str | None,
        data: bytes | None,
        variable: bool,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape = [int(d) for d in shape]
        tensor.type = _TYPES[dtype]
        tensor.name = (name or f"net/layer{len(self._tensors)}/Op").encode()
        tensor.isVariable = variable
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            scales = [float(s) for s in np.atleast_1d(np.asarray(scale, np.float32))]
            quantization.scale = scales
            quantization.zeroPoint = [zero_point] * len(scales)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            self._buffers.append(buffer)
            tensor.buffer = len(self._buffers) - 1
        self._tensors.append(tensor)
        return len(self._tensors) - 1
