"""Signatures of a damaged or hostile .tflite: names that are not too long, or an error."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.convert.test_names_of_ports import signed
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.parse import MAX_NAME
from tflm_ext.frontend.signatures import Signature, read_signature


def test_names() -> None:
    found = read_signature(signed({"left": "größe", "right": "b" * 5000}))
    assert found == Signature({0: "größe", 1: "b" * MAX_NAME}, {2: "sum"})


def test_damaged_files() -> None:
    """An error for users, or texts."""
    model, draw = signed({"left": "a", "right": "b"}), np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(model)
        for place in draw.integers(len(model), size=draw.choice([1, 1, 2, 4])):
            damaged[place] = draw.choice([0, 1, 127, 128, 255])
        cut = len(model) if draw.random() < 0.9 else int(draw.integers(len(model)))
        try:
            found = read_signature(bytes(damaged[:cut]))
        except UnsupportedModelError as error:
            refused += 1
            assert error.problem.startswith("model: not a valid .tflite file: ")
        else:
            names = (*found.inputs.values(), *found.outputs.values())
            assert all(isinstance(name, str) and len(name) <= MAX_NAME for name in names)
    assert refused > 300


def test_one_long_text_that_many_entries_refer_to() -> None:
    count, length = 20_000, 1 << 20
    builder = flatbuffers.Builder(1024)
    text = builder.CreateString("x" * length)
    entries = []
    for number in range(count):
        schema.TensorMapStart(builder)
        schema.TensorMapAddName(builder, text)
        schema.TensorMapAddTensorIndex(builder, number)
        entries.append(schema.TensorMapEnd(builder))
    schema.SignatureDefStartInputsVector(builder, count)
    for entry in entries:
        builder.PrependUOffsetTRelative(entry)
    inputs = builder.EndVector()
    schema.SignatureDefStart(builder)
    schema.SignatureDefAddInputs(builder, inputs)
    signature = schema.SignatureDefEnd(builder)
    schema.ModelStartSignatureDefsVector(builder, 1)
    builder.PrependUOffsetTRelative(signature)
    signatures = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSignatureDefs(builder, signatures)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    data = bytes(builder.Output())
    with pytest.raises(UnsupportedModelError) as caught:
        read_signature(data)
    assert "referred to too often" in caught.value.problem
