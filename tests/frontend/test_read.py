"""What read_graph() makes of good files, also of those that look unusual."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.frontend.models import dense, edited, operator, quantization, tensor
from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import Activation
from tflm_ext.frontend import read_graph
from tflm_ext.ir import DType, Node, Quantization, Tensor
from tflm_ext.ops import OPERATORS
from tflm_ext.ops.fully_connected import FullyConnectedOptions
from tflm_ext.opslib.base import no_options


def test_everything_is_read() -> None:
    graph = read_graph(dense(), "net")
    f32 = [float(np.float32(s)) for s in (0.1, 0.01, 0.02, 0.03)]
    assert graph.name == "net"
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    assert graph.nodes == (
        Node(0, "FULLY_CONNECTED", (0, 1, 2), (3,), FullyConnectedOptions(Activation.NONE, False)),
    )
    assert graph.tensors[0] == Tensor(0, "x", (1, 4), DType.INT8, Quantization((f32[0],), (3,)))
    assert graph.tensors[1] == Tensor(
        1, "weights", (3, 4), DType.INT8, Quantization(tuple(f32[1:]), (0, 0, 0)), bytes(range(12))
    )
    assert graph.tensors[2].array().tolist() == [1, 2, 3]


def test_one_zero_point_for_all_scales() -> None:
    q = read_graph(quantization(1, zeroPoint=[0])).tensors[1].quantization
    assert q is not None
    assert q.zero_points == (0, 0, 0)


def test_intermediates_may_have_no_elements() -> None:
    """Only their quantisation counts, and converters write them without elements."""
    b = ModelBuilder()
    x, y, empty = (b.tensor((1, n), scale=0.1) for n in (4, 4, 0))
    b.operator("ABS", [x], [y], intermediates=[empty])
    (node,) = read_graph(b.finish([x], [y])).nodes
    assert node.intermediates == (empty,)


def test_batch_that_was_free_is_one() -> None:
    assert read_graph(tensor(0, shapeSignature=[-1, 4])).tensors[0].shape == (1, 4)


def test_options_without_a_type_count_as_absent() -> None:
    assert read_graph(operator(builtinOptionsType=0)).nodes[0].options.activation is Activation.NONE


def test_names_are_cut_and_messages_stay_in_one_line() -> None:
    graph = read_graph(tensor(3, name=b"net/evil\nlayer\x1b[31m/Op"))
    assert graph.view(graph.nodes[0]).label == "operator 0 FULLY_CONNECTED"
    assert len(read_graph(tensor(3, name=b"n" * 9000)).tensors[3].name) == 1024
    assert read_graph(tensor(3, name=b"\xff\xfe")).tensors[3].name == "\ufffd\ufffd"


def test_data_in_buffer_0_counts() -> None:
    """By convention that buffer is empty; TFLM takes what it holds, however."""

    def swap(model: schema.ModelT, graph: schema.SubGraphT) -> None:
        # All tensors refer to another buffer then, those without data to the empty one.
        model.buffers = [model.buffers[1], model.buffers[2], model.buffers[0]]
        for t in graph.tensors:
            t.buffer = (t.buffer - 1) % 3

    assert_exact(edited(swap), c=False)


def test_signatures_and_metadata_are_not_looked_at() -> None:
    def add(model: schema.ModelT, graph: schema.SubGraphT) -> None:
        signature = schema.SignatureDefT()
        signature.signatureKey = b"one"
        signature.subgraphIndex = 77
        signature.inputs = [schema.TensorMapT()]
        signature.inputs[0].tensorIndex = 99
        model.signatureDefs = [signature, signature]
        metadata = schema.MetadataT()
        metadata.name, metadata.buffer = b"min_runtime_version", 1000
        model.metadata = [metadata]

    assert read_graph(edited(add)) == read_graph(dense())


def test_two_inputs_in_one_operator_and_several_outputs() -> None:
    b = ModelBuilder()
    x = b.tensor((2, 3), scale=0.1)
    y, z = b.tensor((2, 3), scale=0.2), b.tensor((2, 3), scale=0.2)
    b.operator("ADD", [x, x], [y], schema.AddOptionsT())
    b.operator("RELU", [y], [z])
    assert_exact(b.finish([x], [z, y, z, x]))


def test_every_operator_with_options_knows_their_type() -> None:
    names = {"AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D"}
    names |= dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"), "Reducer")
    numbers = {name.lower(): number for name, number in vars(schema.BuiltinOptions).items()}
    for op in OPERATORS:
        if op.parse is no_options or op.code < 0:
            assert op.options_type is None
        else:
            table = f"{names.get(op.name, op.name).replace('_', '').lower()}options"
            assert op.options_type == numbers[table]
