"""A small good model, and ways to make bad ones of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder


def dense() -> bytes:
    """FULLY_CONNECTED "net/dense/MatMul" on input "x", with "weights" and "bias"."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, zero_point=3, name="x")
    weights = np.arange(12, dtype=np.int8).reshape(3, 4)
    w = b.constant(weights, scale=[0.01, 0.02, 0.03], name="weights")
    bias = b.constant(np.array([1, 2, 3], np.int32), scale=[0.001, 0.002, 0.003], name="bias")
    y = b.tensor((1, 3), scale=0.2, name="net/dense/MatMul")
    b.operator("FULLY_CONNECTED", [x, w, bias], [y], schema.FullyConnectedOptionsT())
    return b.finish([x], [y])


def edited(change: Callable[[Any, Any], object], model: bytes | None = None) -> bytes:
    """A model, unpacked, changed and packed again; change gets the ModelT and its SubGraphT."""
    unpacked = schema.ModelT.InitFromPackedBuf(model or dense(), 0)
    change(unpacked, unpacked.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(unpacked.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(number: int, **fields: Any) -> bytes:
    """The good model with other fields of one TensorT."""

    def change(_: Any, graph: Any) -> None:
        for field, value in fields.items():
            setattr(graph.tensors[number], field, value)

    return edited(change)


def quantization(number: int, **fields: Any) -> bytes:
    """The good model with other fields of one tensor's QuantizationParametersT."""

    def change(_: Any, graph: Any) -> None:
        for field, value in fields.items():
            setattr(graph.tensors[number].quantization, field, value)

    return edited(change)


def operator(**fields: Any) -> bytes:
    """The good model with other fields of its OperatorT."""

    def change(_: Any, graph: Any) -> None:
        for field, value in fields.items():
            setattr(graph.operators[0], field, value)

    return edited(change)


def code(**fields: Any) -> bytes:
    """The good model with other fields of its OperatorCodeT."""

    def change(model: Any, _: Any) -> None:
        for field, value in fields.items():
            setattr(model.operatorCodes[0], field, value)

    return edited(change)
