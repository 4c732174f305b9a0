"""Quantisation-aware training of tf_keras models, which tensorflow-model-optimization does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.compress.qat_nets import graph_of, operators, tflite
from tests.harness import assert_exact
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.ir import DType

pytestmark = pytest.mark.slow

IMAGE = (8, 8, 1)
X = np.random.default_rng(0).standard_normal((32, *IMAGE)).astype(np.float32)
Y = np.arange(32) % 3


def net() -> Any:
    import tf_keras

    layers = tf_keras.layers
    x = layers.Input(IMAGE, name="image")
    y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    z = layers.Conv2D(4, 1, activation="relu")(y)
    y = layers.Flatten()(layers.MaxPooling2D()(layers.Add()([y, z])))
    model = tf_keras.Model(x, layers.Dense(3, activation="softmax")(y))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def sequential() -> Any:
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Input(IMAGE), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    )
    model.compile("sgd", "mse")
    return model


def change_kernels(model: Any, change: Any) -> Any:
    for weight in model.weights:
        if "kernel" in weight.name:
            weight.assign(change(weight.numpy()))
    return model


def kernels(model: Any) -> list[Any]:
    return [weight.numpy() for weight in model.weights if "kernel" in weight.name]


@pytest.mark.parametrize("make", [net, sequential])
def test_strip_gives_the_model_back(make: Any) -> None:
    model = make()
    before = model.get_weights()
    aware = tflm_ext.quantize_aware(model)
    back = tflm_ext.strip(aware)
    assert type(back) is type(model)
    assert [(layer.name, type(layer)) for layer in back.layers] == [
        (layer.name, type(layer)) for layer in model.layers
    ]
    for a, b, c in zip(back.get_weights(), before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(c, b)
    np.testing.assert_array_equal(back(X), model(X))
    assert model.optimizer is not None


def test_it_trains_is_saved_and_exported(tmp_path: Path) -> None:
    from tensorflow_model_optimization import quantization

    aware = tflm_ext.quantize_aware(net())
    history = aware.fit(X, Y, verbose=0)
    assert "accuracy" in history.history
    aware.save(tmp_path / "aware.h5")
    import tf_keras

    with quantization.keras.quantize_scope():
        aware = tf_keras.models.load_model(tmp_path / "aware.h5")
    aware.fit(X, Y, verbose=0)
    before = aware.get_weights()
    back = tflm_ext.strip(aware)
    for a, b in zip(aware.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(back(X) - aware(X)).max() < 0.1
    data = tflite(aware)
    graph = graph_of(data)
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(operators(graph))
    assert DType.FLOAT32 not in {tensor.dtype for tensor in graph.tensors.values()}
    assert_exact(data, c=False)


def test_zeros_stay_zero() -> None:
    model = change_kernels(net(), lambda w: np.where(np.abs(w) < np.median(np.abs(w)), 0, w))
    aware = tflm_ext.quantize_aware(model)
    aware.fit(X, Y, verbose=0)
    for before, after in zip(kernels(model), kernels(tflm_ext.strip(aware)), strict=True):
        np.testing.assert_array_equal(after[before == 0], 0)
        assert not np.array_equal(before, after)


@pytest.mark.filterwarnings("ignore:No clustering performed")
def test_clusters_stay() -> None:
    model = change_kernels(net(), lambda w: np.round(w * 4) / 4)
    aware = tflm_ext.quantize_aware(model)
    aware.fit(X, Y, verbose=0)
    for before, after in zip(kernels(model), kernels(tflm_ext.strip(aware)), strict=True):
        assert len(np.unique(after)) <= len(np.unique(before)) + before.shape[-1]
        np.testing.assert_array_equal(after[before == 0], 0)


def two_heads() -> Any:
    import tf_keras

    layers = tf_keras.layers
    x = layers.Input((8,), name="x")
    y = layers.Concatenate()([layers.Dense(8, name="left")(x), layers.Dense(8, name="right")(x)])
    outputs = [layers.Dense(3, name="kind")(y), layers.Dense(1, name="size")(y)]
    return tf_keras.Model(x, outputs)


def test_losses_and_metrics_go_by_the_names_of_the_outputs() -> None:
    model = two_heads()
    loss = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile("sgd", loss, metrics={"kind": ["accuracy"]})
    aware = tflm_ext.quantize_aware(model)
    targets = {"kind": Y, "size": np.ones((32, 1))}
    history = aware.fit(X.reshape(32, -1)[:, :8], targets, verbose=0).history
    assert set(history) == {"loss", "kind_loss", "size_loss", "kind_accuracy"}
    assert tflm_ext.strip(aware).output_names == ["kind", "size"]


def test_zeros_that_it_does_not_keep_are_named() -> None:
    model = change_kernels(two_heads(), lambda w: np.where(w < 0, 0, w))
    with pytest.warns(UserWarning, match=r"change the sparsity of (left, right|right, left): "):
        tflm_ext.quantize_aware(model)


def test_what_cannot_be_quantised_is_refused() -> None:
    import tf_keras

    layers = tf_keras.layers
    lstm = tf_keras.Sequential([layers.Input((4, 3)), layers.LSTM(2, name="memory")])
    with pytest.raises(UnsupportedModelError, match="LSTM"):
        tflm_ext.quantize_aware(lstm)
    with pytest.raises(UnsupportedModelError, match="are unknown"):
        tflm_ext.quantize_aware(tf_keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ConfigError, match="no layer with weights"):
        tflm_ext.quantize_aware(tf_keras.Sequential([layers.Input((4,)), layers.ReLU()]))
    with pytest.raises(ConfigError, match="already"):
        tflm_ext.quantize_aware(tflm_ext.quantize_aware(sequential()))
    with pytest.raises(ConfigError, match="nothing to strip"):
        tflm_ext.strip(sequential())


def test_both_libraries_round_at_the_same_places() -> None:
    """With equal weights and ranges, the two .tflite have equal scales and equal int8 weights."""
    import keras
    import tf_keras

    def build(library: Any) -> Any:
        layers = library.layers
        x = layers.Input(IMAGE)
        y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        z = layers.Conv2D(4, 1)(layers.MaxPooling2D()(y))
        z = layers.Add()([z, layers.MaxPooling2D()(y)])
        z = layers.Dense(5, activation="relu")(layers.Flatten()(z))
        model = library.Model(x, layers.Dense(3, activation="softmax")(z))
        model.compile(library.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return model

    mine, twin = build(keras), build(tf_keras)
    twin.set_weights([weight.numpy() for weight in mine.weights])
    ours, theirs = (tflm_ext.quantize_aware(model) for model in (mine, twin))
    for aware in (ours, theirs):
        aware.fit(X, Y, verbose=0)
    ends = {"low": [], "high": []}
    for layer in theirs.layers:
        for weight in layer.weights:
            kind = weight.name.split("/")[-1].partition(":")[0]
            if kind.endswith(("_min", "_max")) and "kernel" not in kind:
                ends["low" if kind.endswith("_min") else "high"].append(weight)
    for end, weights in ends.items():
        for weight, layer in zip(weights, ours.links.ranges, strict=True):
            weight.assign(getattr(layer, end).numpy())
    graphs = [graph_of(tflite(aware)) for aware in (ours, theirs)]
    for mine, twin in zip(*(graph.views() for graph in graphs), strict=True):
        assert mine.node.operator == twin.node.operator
        for a, b in zip((*mine.inputs, *mine.outputs), (*twin.inputs, *twin.outputs), strict=True):
            assert a.shape == b.shape
            if a.quantization is None:
                continue
            assert b.quantization is not None
            np.testing.assert_allclose(a.quantization.scales, b.quantization.scales, rtol=1e-6)
            assert a.quantization.zero_points == b.quantization.zero_points
            if a.constant:
                difference = a.array().astype(int) - b.array().astype(int)
                assert np.abs(difference).max() <= (a.dtype is DType.INT32)
