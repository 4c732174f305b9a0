"""Quantisation-aware training of Keras 3 models, against what the converter makes of it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import tflm_ext
from tests.compress.qat_nets import NETS, graph_of, operators, samples, shake, tflite, train
from tests.harness import assert_exact, run_here
from tflm_ext.frontend import strip_ports
from tflm_ext.ir import DType, Graph
from tflm_ext.qat.linear import weight_limits
from tflm_ext.verify.compare import arena_for

pytestmark = pytest.mark.slow

FIXED = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
SHARED = {
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "MAXIMUM",
    "MAX_POOL_2D",
    "PAD",
    "REDUCE_MAX",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "SPLIT",
    "STRIDED_SLICE",
    "TRANSPOSE",
}
WEIGHTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


@pytest.fixture(scope="module", params=NETS)
def trained(request: pytest.FixtureRequest) -> tuple[str, Any, bytes]:
    """A net's name, its trained quantisation-aware form, and the .tflite of that."""
    keras.utils.set_random_seed(1)
    aware = train(tflm_ext.quantize_aware(shake(NETS[request.param]())))
    return request.param, aware, tflite(aware)


def trained_scales(aware: Any) -> set[tuple[np.float32, int]]:
    """Scale and zero point of every trained range."""
    result = set()
    layers_of = [*aware.links.ranges, *(x.product for x in aware.layers if hasattr(x, "product"))]
    for layer in layers_of:
        low, high = (float(end) for end in (layer.low, layer.high))
        scale = (high - low) / 255
        result.add((np.float32(scale), round(-128 - low / scale)))
    return result


def output_scales(graph: Graph) -> list[tuple[str, tuple[np.float32, int]]]:
    """Operator, scale and zero point of every computed tensor."""
    return [
        (view.node.operator, (np.float32(q.scale), q.zero_point))
        for view in graph.views()
        for tensor in view.outputs
        if (q := tensor.quantization) is not None
    ]


def test_the_int8_model_has_exactly_the_trained_scales(trained: tuple[str, Any, bytes]) -> None:
    _, aware, data = trained
    expected, graph = trained_scales(aware), graph_of(data)
    found = {
        ("INPUT", (np.float32(q.scale), q.zero_point))
        for i in graph.inputs
        if (q := graph.tensors[i].quantization) is not None
    }
    found |= set(output_scales(graph))
    for operator, scale in found:
        if operator in FIXED:
            assert scale == (np.float32(FIXED[operator][0]), FIXED[operator][1])
        elif operator not in SHARED:
            assert scale in expected, operator
    assert expected <= {scale for _, scale in found}
    for view in graph.views():
        if view.node.operator in SHARED:
            data_tensors = (*view.inputs, *view.outputs)
            scales = {t.quantization for t in data_tensors if t.dtype is DType.INT8}
            assert len(scales) == 1, view.node.operator


def test_the_weights_have_exactly_the_trained_scales(trained: tuple[str, Any, bytes]) -> None:
    _, aware, data = trained
    expected = []
    for holder in aware.links.holders:
        limits = np.ravel(weight_limits(holder.folded_kernel(), holder.kind.axis))
        expected.append(tuple(sorted((limits.astype(np.float64) / 127).astype(np.float32))))
    found = []
    for view in graph_of(data).views():
        if view.node.operator in WEIGHTS:
            quantization = view.input(1).quantization
            assert quantization is not None
            found.append(tuple(sorted(np.float32(scale) for scale in quantization.scales)))
    assert set(found) == set(expected)


def test_nothing_is_requantised_and_nothing_is_float(trained: tuple[str, Any, bytes]) -> None:
    _, _, data = trained
    graph = graph_of(data)
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(operators(graph))
    assert DType.FLOAT32 not in {tensor.dtype for tensor in graph.tensors.values()}


def test_dense_has_one_scale_and_convolutions_have_many(trained: tuple[str, Any, bytes]) -> None:
    _, _, data = trained
    for view in graph_of(data).views():
        if view.node.operator in WEIGHTS:
            quantization = view.input(1).quantization
            assert quantization is not None
            assert quantization.per_channel == (view.node.operator != "FULLY_CONNECTED")


def test_the_c_code_is_exact(trained: tuple[str, Any, bytes]) -> None:
    name, _, data = trained
    assert_exact(data, name=name, c=name in {"normalised", "temporal", "residual"})


def test_training_sees_what_int8_computes(trained: tuple[str, Any, bytes]) -> None:
    """Its outputs are a few steps from those of the .tflite at most, and near them on average."""
    _, aware, data = trained
    data = strip_ports(data, "net").data
    graph = graph_of(data)
    x = samples(aware, 32, seed=5)
    inputs = []
    for index, column in zip(graph.inputs, keras.tree.flatten(x), strict=True):
        q = graph.tensors[index].quantization
        inputs.append(np.clip(np.round(column / q.scale) + q.zero_point, -128, 127).astype(np.int8))
    vectors = [column[:, np.newaxis] for column in inputs]
    results = run_here(data, vectors, len(graph.outputs), arena_for(graph))
    expected = keras.tree.flatten(aware.predict(x, verbose=0))
    for index, result, wanted in zip(graph.outputs, results, expected, strict=True):
        q = graph.tensors[index].quantization
        steps = np.abs(result[:, 0].astype(float) - (wanted / q.scale + q.zero_point))
        assert steps.mean() < 1.5, steps
        assert steps.max() < 8
