"""Float and uint8 ports come off, and TFLM computes the same without them."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.frontend.models import dense, edited
from tests.harness import assert_exact, run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import quantize_array
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.frontend.parse import parse, root
from tflm_ext.frontend.subset import subset
from tflm_ext.ir import DType

GIVE = (
    "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
    "(inference type int8)."
)


def ported(
    first: str = "float32", second: str = "uint8", out: str = "float32", *, also: str | None = None
) -> bytes:
    """ADD of two inputs, RELU of the sum; each port with a conversion, or int8 without.

    also: an operator that reads the first input besides.
    """
    b = ModelBuilder()
    shape = (1, 6)
    inputs, tensors = [], []
    for i, dtype in enumerate((first, second)):
        q = b.tensor(shape, scale=0.1, zero_point=3 * i, name=f"q{i}")
        x = q
        if dtype != "int8":
            scale = 0.1 if dtype == "uint8" else None
            x = b.tensor(shape, scale=scale, zero_point=128 + 3 * i, dtype=dtype, name=f"x{i}")
            b.operator("QUANTIZE", [x], [q])
        inputs.append(x)
        tensors.append(q)
    total, y = b.tensor(shape, scale=0.2), b.tensor(shape, scale=0.2, name="y")
    b.operator("ADD", tensors, [total], schema.AddOptionsT())
    b.operator("RELU", [total], [y])
    outputs = [y, total]
    if out != "int8":
        z = b.tensor(
            shape, scale=0.2 if out == "uint8" else None, zero_point=128, dtype=out, name="z"
        )
        b.operator("DEQUANTIZE" if out == "float32" else "QUANTIZE", [y], [z])
        outputs[0] = z
    if also:
        other = b.tensor(shape, scale=0.1, dtype="int8" if also == "QUANTIZE" else "float32")
        b.operator(also, [inputs[0]], [other])
    return b.finish(inputs, outputs)


def test_what_is_stripped_is_reported() -> None:
    stripped = strip_ports(ported()).stripped
    assert [(s.what, s.tensor_name, s.dtype) for s in stripped] == [
        ("input 0", "x0", DType.FLOAT32),
        ("input 1", "x1", DType.UINT8),
        ("output 0", "z", DType.FLOAT32),
    ]
    assert str(stripped[0]) == (
        "input 0 'x0' is float32 in the file; the project does not include this conversion, "
        "because its inputs and outputs are int8"
    )


@pytest.mark.parametrize("first", ["int8", "float32", "uint8"])
@pytest.mark.parametrize("second", ["int8", "uint8"])
@pytest.mark.parametrize("out", ["int8", "float32", "uint8"])
def test_tflm_computes_the_same_without(first: str, second: str, out: str) -> None:
    model = ported(first, second, out)
    ports = strip_ports(model)
    graph = read_graph(ports.data)
    assert [n.operator for n in graph.nodes] == ["ADD", "RELU"]
    levels = np.random.default_rng(0).integers(-128, 128, (64, 2, 1, 6), np.int8)
    given = []
    for i, dtype in enumerate((first, second)):
        q = levels[:, i]
        real = (q.astype(np.float32) - 3 * i) * np.float32(0.1)
        assert np.array_equal(quantize_array(real, float(np.float32(0.1)), 3 * i), q)
        given.append(
            {"int8": q, "float32": real, "uint8": (q.astype(np.int16) + 128).astype(np.uint8)}[
                dtype
            ]
        )
    whole = run_here(model, given, 2, 1 << 20)
    bare = run_here(ports.data, [levels[:, 0], levels[:, 1]], 2, 1 << 20)
    assert np.array_equal(whole[1], bare[1])
    y = bare[0]
    assert np.array_equal(
        whole[0],
        {
            "int8": y,
            "float32": y.astype(np.float32) * np.float32(0.2),
            "uint8": (y.astype(np.int16) + 128).astype(np.uint8),
        }[out],
    )


def test_exact_and_in_c() -> None:
    assert_exact(ported())


def test_int8_models_stay_the_bytes_that_they_are() -> None:
    assert strip_ports(dense()).data == dense()
    once = strip_ports(ported()).data
    assert strip_ports(once).data == once


def test_signatures_are_removed() -> None:
    def add(model: schema.ModelT, graph: schema.SubGraphT) -> None:
        signature = schema.SignatureDefT()
        signature.signatureKey = b"serving_default"
        signature.inputs = [schema.TensorMapT()]
        model.signatureDefs = [signature]

    stripped = strip_ports(edited(add, ported())).data
    assert not schema.ModelT.InitFromPackedBuf(stripped, 0).signatureDefs
    assert len(read_graph(stripped).nodes) == 2


@pytest.mark.parametrize("extra", range(4))
def test_new_ports_are_aligned_after_a_file_of_any_length(extra: int) -> None:
    """Flatbuffers align vectors of 32-bit numbers; TFLM reads them as such."""
    model = dense() + bytes(extra)
    graph = parse(model, "net")
    data = subset(model, [0], graph.inputs, graph.outputs)
    (table,) = root(data).tables(2)
    for field, ports in ((1, graph.inputs), (2, graph.outputs)):
        start, count = table.vector(field, 4) or (0, 0)
        assert (start % 4, count) == (0, len(ports))


def test_only_conversions() -> None:
    b = ModelBuilder()
    x, z = b.tensor((4,), dtype="float32"), b.tensor((4,), dtype="float32")
    y = b.tensor((4,), scale=0.1)
    b.operator("QUANTIZE", [x], [y])
    b.operator("DEQUANTIZE", [y], [z])
    graph = read_graph(strip_ports(b.finish([x], [z])).data)
    assert (graph.nodes, graph.inputs, graph.outputs) == ((), (y,), (y,))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (ported(also="QUANTIZE"), f"net: input 0 'x0' is float32, not int8 or int32.\n{GIVE}"),
        (ported(also="NEG"), f"net: input 0 'x0' is float32, not int8 or int32.\n{GIVE}"),
        (
            ported("int8", "int8", "int16"),
            f"net: output 0 'z' is int16, not int8 or int32.\n{GIVE}",
        ),
    ],
)
def test_other_ports_are_refused(model: bytes, text: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(strip_ports(model, "net").data, "net")
    assert str(caught.value) == text


def test_damaged() -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        strip_ports(dense()[:100], "net")
    assert caught.value.problem.startswith("net: not a valid .tflite file: ")


def test_inputs_and_outputs_in_one_field() -> None:
    data = bytearray(dense())
    (graph,) = root(dense()).tables(2)
    inputs, outputs = (graph._vtable + 4 + 2 * field for field in (1, 2))
    data[inputs : inputs + 2] = data[outputs : outputs + 2]
    old = parse(dense(), "net")
    with pytest.raises(MalformedError, match="tables overlap"):
        subset(bytes(data), [0], old.inputs, old.outputs)


def test_tables_that_overlap() -> None:
    """Inputs and outputs in one vector of the file: what is written for one changes the other."""
    b = ModelBuilder()
    x, y = b.tensor((4,), dtype="float32"), b.tensor((4,), scale=0.1)
    b.operator("QUANTIZE", [x], [y])
    good = b.finish([x], [y])
    (graph,) = root(good).tables(2)
    start, _ = graph.vector(3, 4) or (0, 0)
    data = bytearray(good)
    # The list of operators overlaps with the shape of tensor 0.
    tensor = graph.tables(0)[0]
    at = tensor.position(0)
    assert at is not None
    data[at : at + 4] = (start - 4 - at & 0xFFFFFFFF).to_bytes(4, "little")
    with pytest.raises(UnsupportedModelError) as caught:
        strip_ports(bytes(data), "net")
    assert "not a valid .tflite file" in caught.value.problem
