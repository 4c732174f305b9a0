"""Models of other dtype policies and with training wrappers become the same int8 as plain ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.harness import run_here
from tflm_ext.convert import convert
from tflm_ext.errors import UnsupportedModelError

pytestmark = pytest.mark.slow

SHAPE = (6, 6, 2)
DATA = np.random.default_rng(0).random((120, *SHAPE), dtype=np.float32)


def quiet(text: str) -> None:
    """No progress."""


def net(keras: Any, policy: str | None) -> Any:
    """Convolution, normalisation, attention where there is one, dense layers; fixed weights."""
    layers = keras.layers
    x = given = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", dtype=policy)(x)
    x = layers.BatchNormalization(dtype=policy)(x)
    x = layers.Reshape((16, 4), dtype=policy)(x)
    x = layers.Add(dtype=policy)([x, layers.MultiHeadAttention(2, 2, dtype=policy)(x, x)])
    x = layers.Flatten(dtype=policy)(x)
    model = keras.Model(given, layers.Dense(3, dtype=policy)(x))
    draw = np.random.default_rng(1)
    # Halves with few bits, the same in every type.
    model.set_weights([np.round(draw.normal(size=w.shape) * 8) / 16 for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.ones(4), np.zeros(4), np.zeros(4), np.ones(4)])
    return model


@pytest.mark.parametrize(
    "policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"]
)
def test_computes_in_float32(keras: Any, policy: str) -> None:
    model = net(keras, policy)
    before = model.get_weights()
    policies = [layer.dtype_policy.name for layer in model._flatten_layers()]
    found = convert(model, DATA, progress=quiet).int8
    plain = convert(net(keras, "float32"), DATA, progress=quiet).int8
    inputs = [np.random.default_rng(2).integers(-128, 128, (9, 1, *SHAPE), np.int8)]
    np.testing.assert_array_equal(
        run_here(found.bytes, inputs, 1, 1 << 20), run_here(plain.bytes, inputs, 1, 1 << 20)
    )
    assert any(
        f"policy {policy} are converted as they compute in float32" in w for w in found.warnings
    )
    assert [layer.dtype_policy.name for layer in model._flatten_layers()] == policies
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_policy_in_a_file(keras: Any, tmp_path: Any) -> None:
    net(keras, "mixed_float16").save(tmp_path / "net.keras")
    found = convert(tmp_path / "net.keras", DATA, progress=quiet).int8
    assert any("policy mixed_float16" in warning for warning in found.warnings)


def test_float32_is_not_mentioned(keras: Any) -> None:
    assert not any(
        "policy" in w for w in convert(net(keras, None), DATA, progress=quiet).int8.warnings
    )


def dense(tf_keras: Any, policy: str = "float32") -> Any:
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [
            tf_keras.Input((8,)),
            layers.Dense(8, "relu", dtype=policy),
            layers.Dense(3, dtype=policy),
        ]
    )


FLAT = np.random.default_rng(0).random((120, 8), dtype=np.float32)


def test_tf_keras_computes_in_float32(tf_keras: Any) -> None:
    model = dense(tf_keras, "mixed_float16")
    found = convert(model, FLAT, progress=quiet).int8
    assert any("policy mixed_float16" in warning for warning in found.warnings)
    assert model.layers[0].compute_dtype == "float16"


def test_weights_of_tf_keras_that_are_not_float32(tf_keras: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=r"The weights of layer 'dense.*' are float64"):
        convert(dense(tf_keras, "float64"), FLAT, progress=quiet)


def test_a_model_that_keras_quantised(keras: Any) -> None:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(3)])
    model.quantize("int8")
    with pytest.raises(UnsupportedModelError, match="was quantised by Keras to int8") as caught:
        convert(model, FLAT, progress=quiet)
    assert "Pass the model as it was before model.quantize()" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["pruning", "clustering", "both"])
def test_wrappers_are_removed(tf_keras: Any, kind: str) -> None:
    import tensorflow_model_optimization as tfmot

    plain = dense(tf_keras)
    expected = convert(plain, FLAT, progress=quiet).int8
    wrapped = plain
    if kind != "clustering":
        wrapped = tfmot.sparsity.keras.prune_low_magnitude(wrapped)
    if kind == "clustering":
        wrapped = tfmot.clustering.keras.cluster_weights(
            wrapped,
            number_of_clusters=64,
            cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.LINEAR,
        )
    if kind == "both":  # a pruned model in which one layer alone is wrapped
        wrapped = tf_keras.Sequential([tf_keras.Input((8,)), *wrapped.layers])
    classes = [type(layer).__name__ for layer in wrapped.layers]
    found = convert(wrapped, FLAT, progress=quiet).int8
    assert any("tensorflow-model-optimization" in warning for warning in found.warnings)
    assert [type(layer).__name__ for layer in wrapped.layers] == classes
    if kind != "clustering":
        assert len(found.bytes) == len(expected.bytes)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("kind", ["pruning", "clustering"])
def test_wrappers_in_a_file_are_removed(
    tf_keras: Any, kind: str, suffix: str, tmp_path: Path
) -> None:
    import tensorflow_model_optimization as tfmot

    plain = dense(tf_keras)
    if kind == "pruning":
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.1, 0.5, 0, 100)
        wrapped = tfmot.sparsity.keras.prune_low_magnitude(plain, pruning_schedule=schedule)
    else:
        centroids = tfmot.clustering.keras.CentroidInitialization.LINEAR
        wrapped = tfmot.clustering.keras.cluster_weights(
            plain, number_of_clusters=64, cluster_centroids_init=centroids
        )
    path = tmp_path / f"net.{suffix}"
    wrapped.save(path)
    found = convert(path, FLAT, progress=quiet).int8
    assert found.bytes == convert(wrapped, FLAT, progress=quiet).int8.bytes
    assert any("tensorflow-model-optimization" in warning for warning in found.warnings)


def test_a_quantisation_aware_model_in_a_file(tf_keras: Any, tmp_path: Path) -> None:
    import tensorflow_model_optimization as tfmot

    model = tfmot.quantization.keras.quantize_model(dense(tf_keras))
    model.compile("adam", "mse")
    model.fit(FLAT, np.zeros((120, 3)), verbose=0)
    model.save(tmp_path / "net.h5")
    found = convert(tmp_path / "net.h5", progress=quiet).int8
    inputs = [np.random.default_rng(2).integers(-128, 128, (9, 1, 8), np.int8)]
    np.testing.assert_array_equal(
        run_here(found.bytes, inputs, 1, 1 << 20),
        run_here(convert(model, progress=quiet).int8.bytes, inputs, 1, 1 << 20),
    )
    model.save(tmp_path / "net.keras")
    with pytest.raises(UnsupportedModelError, match="it saves fewer variables") as caught:
        convert(tmp_path / "net.keras", progress=quiet)
    assert "as a .h5" in caught.value.hint


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_file_that_keras_quantised(keras: Any, suffix: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(3)])
    model.quantize("int8")
    model.save(tmp_path / f"net.{suffix}")
    with pytest.raises(UnsupportedModelError, match="was quantised by Keras") as caught:
        convert(tmp_path / f"net.{suffix}", FLAT, progress=quiet)
    assert "Pass the model as it was before model.quantize()" in caught.value.hint
