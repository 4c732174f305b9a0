"""Quantisation-aware training as a user meets it: fit, save, strip, what is kept and refused."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tflm_ext
from tests.compress.qat_nets import (
    IMAGE,
    NETS,
    VECTOR,
    conv,
    graph_of,
    nested,
    normalised,
    plain,
    samples,
    sequence,
    shake,
    tflite,
    train,
)
from tests.conftest import ROOT
from tflm_ext.errors import ConfigError, TflmExtError, UnsupportedModelError
from tflm_ext.qat.layers import FakeQuant, Formula, QuantizedAffine, QuantizedLayer
from tflm_ext.qat.model import QuantizedModel

pytestmark = pytest.mark.slow

OURS = (FakeQuant, Formula, QuantizedAffine, QuantizedLayer, QuantizedModel)


def values(model: Any) -> list[Any]:
    return [weight.numpy() for weight in model.weights]


def assert_equal(a: list[Any], b: list[Any]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def outputs(model: Any, x: Any) -> list[Any]:
    return [np.array(y) for y in keras.tree.flatten(model(x, training=False))]


@pytest.mark.parametrize("net", NETS)
def test_strip_gives_the_model_back(net: str) -> None:
    model = shake(NETS[net]())
    before = values(model)
    aware = tflm_ext.quantize_aware(model)
    back = tflm_ext.strip(aware)
    assert type(back) is type(model)
    assert back.to_json() == model.to_json()
    assert not any(isinstance(layer, OURS) for layer in back._flatten_layers())
    assert_equal(values(back), before)
    assert_equal(values(model), before)
    x = samples(model, 8)
    for y, z in zip(outputs(back, x), outputs(model, x), strict=True):
        np.testing.assert_array_equal(y, z)


def test_training_changes_the_stripped_model_and_not_the_users() -> None:
    model = shake(normalised())
    before = values(model)
    aware = train(tflm_ext.quantize_aware(model))
    assert_equal(values(model), before)
    back = tflm_ext.strip(aware)
    for weight, old in zip(back.weights, before, strict=True):
        if weight.path.split("/")[-1] in {"kernel", "moving_mean", "moving_variance"}:
            assert not np.array_equal(weight.numpy(), old)
    x = samples(model, 8)
    (trained,), (stripped,) = outputs(aware, x), outputs(back, x)
    assert 0 < np.abs(trained - stripped).max() < 0.1


def test_weights_are_rounded_in_inference_too() -> None:
    model = sequence(VECTOR, layers.Dense(3))
    aware = tflm_ext.quantize_aware(model)
    x = np.eye(10, dtype=np.float32)
    kernel = aware(x, training=False) - model.layers[1].bias
    step = np.abs(model.layers[1].kernel.numpy()).max() / 127
    grid = np.array(kernel) / step
    np.testing.assert_allclose(grid, np.round(grid), atol=1e-3)
    assert np.abs(kernel - model.layers[1].kernel).max() <= 0.501 * step


def test_ranges_are_averages_that_contain_zero() -> None:
    layer = FakeQuant(momentum=0.5)
    for low, high in ((1.0, 4.0), (-3.0, 2.0), (-3.0, 2.0)):
        layer(np.array([[low, high]], np.float32), training=True)
    # The first two count alike, then the momentum holds: (0 - 3) / 2, and half way from there.
    assert (float(layer.low), float(layer.high)) == (-2.25, 2.5)
    frozen = FakeQuant()
    frozen.trainable = False
    frozen(np.ones((1, 2), np.float32), training=True)
    assert float(frozen.high) == 0.0


def test_members_share_the_widest_range() -> None:
    layer = FakeQuant(2)
    layer(np.array([[-1.0, 2.0]], np.float32), member=0, training=True)
    layer(np.array([[-4.0, 1.0]], np.float32), member=1, training=True)
    assert (float(layer.low), float(layer.high)) == (-4.0, 2.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_does_not_spoil_the_range(value: float) -> None:
    layer = FakeQuant()
    layer(np.array([[-1.0, 2.0]], np.float32), training=True)
    layer(np.array([[-1.0, value]], np.float32), training=True)
    assert (float(layer.low), float(layer.high)) == (-1.0, 2.0)


def test_an_activation_that_is_always_zero_has_a_scale() -> None:
    layer = FakeQuant()
    y = layer(np.zeros((1, 2), np.float32), training=True)
    assert float(layer.high) > 0
    np.testing.assert_array_equal(y, np.zeros((1, 2)))


def test_before_training_only_weights_are_rounded() -> None:
    model = normalised()
    aware = tflm_ext.quantize_aware(model)
    x = samples(model, 8)
    (y,), (z,) = outputs(model, x), outputs(aware, x)
    assert np.abs(y - z).max() < 0.05


def test_compile_is_kept_and_outputs_have_their_names() -> None:
    model = nested()
    loss = {"first": "sparse_categorical_crossentropy", "second": "mse"}
    model.compile(
        keras.optimizers.Adam(1e-3),
        loss,
        loss_weights={"first": 1.0, "second": 0.5},
        metrics={"first": ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=1)]},
    )
    aware = tflm_ext.quantize_aware(model)
    x = samples(model, 32)
    y = {"first": np.arange(32) % 2, "second": np.ones((32, 1), np.float32)}
    history = aware.fit(
        x, y, sample_weight={"first": np.ones(32), "second": np.ones(32)}, verbose=0
    )
    assert "first_accuracy" in history.history
    assert aware.optimizer is not model.optimizer
    assert not model.optimizer.built
    assert tflm_ext.strip(aware).evaluate(x, y, verbose=0, return_dict=True).keys() == (
        model.evaluate(x, y, verbose=0, return_dict=True).keys()
    )


def test_a_saved_model_goes_on_training(tmp_path: Path) -> None:
    from tests.compress.qat_nets import residual

    keras.utils.set_random_seed(3)
    aware = train(tflm_ext.quantize_aware(shake(residual())))
    x = samples(aware, 32)
    y = np.zeros((32, 3), np.float32)
    aware.save(tmp_path / "aware.keras")
    loaded = keras.models.load_model(tmp_path / "aware.keras")
    assert isinstance(loaded, QuantizedModel)
    assert_equal(values(loaded), values(aware))
    for model in (aware, loaded):
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for a, b in zip(values(loaded), values(aware), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert_equal(values(tflm_ext.strip(loaded)), values(loaded.plain()))


def test_export_from_a_file(tmp_path: Path) -> None:
    """The converter's child knows the layers of a quantisation-aware .keras file."""
    from tflm_ext.convert import convert

    aware = train(tflm_ext.quantize_aware(plain()))
    aware.save(tmp_path / "aware.keras")
    conversion = convert(tmp_path / "aware.keras", progress=lambda text: None)
    graph, live = graph_of(conversion.int8.bytes), graph_of(tflite(aware))
    assert [n.operator for n in graph.nodes] == [n.operator for n in live.nodes]
    for node, other in zip(graph.views(), live.views(), strict=True):
        assert node.output().quantization == other.output().quantization


def test_a_file_of_an_earlier_version(tmp_path: Path) -> None:
    """Its classes had another module, which nothing imports any more."""
    from tflm_ext.convert import convert

    path = tmp_path / "aware.keras"
    train(tflm_ext.quantize_aware(plain())).save(path)
    expected = convert(path, progress=lambda text: None).int8.bytes
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert b'"tflm_ext.qat.model"' in parts["config.json"]
    old = parts["config.json"].replace(b'"tflm_ext.qat.', b'"tflm_ext.compression.qat.')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "config.json": old}.items():
            archive.writestr(name, content)
    assert convert(path, progress=lambda text: None).int8.bytes == expected


def sparse(model: Any) -> Any:
    for weight in model.weights:
        if len(weight.shape) > 1:
            value = weight.numpy()
            weight.assign(np.where(np.abs(value) < np.median(np.abs(value)), 0, value))
    return model


def clustered(model: Any, count: int = 8) -> Any:
    for weight in model.weights:
        if len(weight.shape) > 1:
            value = weight.numpy()
            centroids = np.quantile(value, np.linspace(0, 1, count)).astype(np.float32)
            nearest = np.abs(value[..., np.newaxis] - centroids).argmin(-1)
            weight.assign(centroids[nearest])
    return model


def kernels(model: Any) -> list[Any]:
    return [weight.numpy() for weight in model.weights if len(weight.shape) > 1]


@pytest.mark.parametrize("preserve", ["auto", "sparsity"])
def test_zeros_stay_zero(preserve: str) -> None:
    model = sparse(plain())
    aware = train(tflm_ext.quantize_aware(model, preserve=preserve))
    for before, after in zip(kernels(model), kernels(tflm_ext.strip(aware)), strict=True):
        np.testing.assert_array_equal(after[before == 0], 0)
        assert np.count_nonzero(after != before) > 0
    for view in graph_of(tflite(aware)).views():
        if view.node.operator in {"CONV_2D", "FULLY_CONNECTED"}:
            assert np.mean(view.input(1).array() == 0) >= 0.5


def test_without_preserve_zeros_move() -> None:
    aware = train(tflm_ext.quantize_aware(sparse(plain()), preserve=None))
    assert all(np.mean(kernel == 0) < 0.3 for kernel in kernels(tflm_ext.strip(aware)))


@pytest.mark.parametrize("zeros", [False, True])
def test_equal_weights_stay_equal(zeros: bool) -> None:
    model = clustered(shake(normalised()))
    if zeros:
        sparse(model)
    aware = tflm_ext.quantize_aware(model)
    train(aware)
    for before, after in zip(kernels(model), kernels(tflm_ext.strip(aware)), strict=True):
        assert not np.array_equal(before, after)
        for value in np.unique(before):
            assert len(np.unique(after[before == value])) == 1
        if zeros:
            np.testing.assert_array_equal(after[before == 0], 0)


def test_clusters_survive_int8_and_a_file(tmp_path: Path) -> None:
    aware = train(tflm_ext.quantize_aware(clustered(plain(), 5), preserve="clusters"))
    aware.save(tmp_path / "aware.keras")
    aware = train(keras.models.load_model(tmp_path / "aware.keras"))
    for view in graph_of(tflite(aware)).views():
        if view.node.operator in {"CONV_2D", "FULLY_CONNECTED"}:
            weights = view.input(1).array()
            assert all(len(np.unique(channel)) <= 5 for channel in weights)


def test_a_cluster_moves_by_the_mean_of_its_gradients() -> None:
    model = sequence(VECTOR, layers.Dense(4, use_bias=False))
    start = np.where(np.arange(40).reshape(10, 4) % 4 < 2, 0.5, -0.25).astype(np.float32)
    model.layers[1].kernel.assign(start)
    aware = tflm_ext.quantize_aware(model)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 10)).astype("f"), rng.standard_normal((8, 4)).astype("f")
    aware.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    aware.train_on_batch(x, y)
    moved = tflm_ext.strip(aware).layers[1].kernel.numpy() - start
    import tensorflow as tf

    with tf.GradientTape() as tape:
        rounded = aware.links.ranges[0](x, training=False) @ tf.constant(start)
        loss = tf.reduce_mean((rounded - y) ** 2)
        gradient = tape.gradient(loss, [])  # nothing is watched: the shapes only
    assert gradient == []
    delta = 2 * (np.array(rounded) - y) / y.size
    exact = np.array(aware.links.ranges[0](x, training=False)).T @ delta
    for value in np.unique(start):
        expected = -exact[start == value].mean()
        np.testing.assert_allclose(moved[start == value], expected, rtol=0.1, atol=0.02)


def test_a_shared_layer_stays_shared() -> None:
    x = keras.Input(IMAGE)
    shared = conv(3, name="shared")
    model = keras.Model(x, layers.Add()([x, shared(shared(x))]))
    aware = train(tflm_ext.quantize_aware(model))
    assert len(aware.links.holders) == 1
    assert len(tflm_ext.strip(aware).weights) == 2
    convolutions = [v for v in graph_of(tflite(aware)).views() if v.node.operator == "CONV_2D"]
    assert len(convolutions) == 2
    assert len({view.input(1).quantization for view in convolutions}) == 1


def test_a_frozen_backbone_stays_frozen() -> None:
    x = keras.Input(IMAGE)
    base = sequence(IMAGE, conv(4, use_bias=False), layers.BatchNormalization(), layers.ReLU())
    base.trainable = False
    y = layers.GlobalAveragePooling2D()(base(x, training=False))
    model = keras.Model(x, layers.Dense(3)(y))
    before = values(base)
    aware = train(tflm_ext.quantize_aware(model))
    back = tflm_ext.strip(aware)
    assert_equal(values(back.layers[1]), before)
    assert not np.array_equal(values(back.layers[-1])[0], values(model.layers[-1])[0])


def test_regularizers_and_constraints_still_act() -> None:
    model = sequence(
        VECTOR,
        layers.Dense(
            8,
            activation="relu",
            kernel_regularizer=keras.regularizers.L2(0.1),
            activity_regularizer=keras.regularizers.L1(0.01),
            kernel_constraint=keras.constraints.NonNeg(),
        ),
        layers.Dense(2),
    )
    aware = tflm_ext.quantize_aware(model)
    x = samples(model, 4)
    model(x), aware(x)
    assert len(aware.losses) == len(model.losses) == 2
    np.testing.assert_allclose(
        sorted(map(float, aware.losses)), sorted(map(float, model.losses)), rtol=0.02
    )
    train(aware)
    assert tflm_ext.strip(aware).layers[1].kernel.numpy().min() >= 0


MIRRORED = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
import keras, tflm_ext
from keras import layers
from tests.compress.qat_nets import IMAGE, conv, graph_of, samples, sequence, tflite
with strategy.scope():
    model = sequence(
        IMAGE, conv(4), layers.BatchNormalization(), layers.GlobalMaxPooling2D(), layers.Dense(3)
    )
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
aware = tflm_ext.quantize_aware(model)
x = samples(model, 32)
aware.fit(x, np.zeros((32, 3), "f"), batch_size=16, shuffle=False, verbose=0)
assert aware.distribute_strategy.num_replicas_in_sync == 2
ranges = aware.links.ranges[0]
halves = [half for batch in (x[:16], x[16:]) for half in (batch[:8], batch[8:])]
highs = [np.mean([halves[i].max(), halves[i + 1].max()]) for i in (0, 2)]
np.testing.assert_allclose(ranges.high.numpy(), np.mean(highs), rtol=1e-5)
assert ranges.batches.numpy() == [2.0]
assert {*tflm_ext.strip(aware).get_config()} == {*model.get_config()}
operators = [node.operator for node in graph_of(tflite(aware)).nodes]
assert operators == ["CONV_2D", "REDUCE_MAX", "FULLY_CONNECTED"], operators
print("mirrored")
"""


def test_mirrored_on_two_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.endswith("mirrored\n"), done.stderr[-3000:]


@keras.saving.register_keras_serializable(package="tests")
class Custom(layers.Layer):
    """An unknown layer."""

    def call(self, x: Any) -> Any:
        return x * 2.0


class Subclass(keras.Model):
    """A model without known layers."""

    def call(self, x: Any) -> Any:
        return x


class OwnLoop(keras.Model):
    """A Functional model that trains in its own way."""

    def train_step(self, data: Any) -> Any:
        return {"loss": 0.0}


def own_loop() -> Any:
    x = keras.Input(VECTOR)
    return OwnLoop(x, layers.Dense(2)(x))


def integers() -> Any:
    x = keras.Input((4,), dtype="int32")
    y = layers.Flatten()(layers.Embedding(5, 3)(x))
    return keras.Model(x, layers.Dense(2)(y))


def diverged() -> Any:
    model = sequence(IMAGE, layers.Conv2D(4, 3, name="conv2d"))
    model.get_layer("conv2d").kernel.assign(np.full((3, 3, IMAGE[-1], 4), np.nan))
    return model


@pytest.mark.parametrize(
    ("make", "kind", "names", "remedy"),
    [
        (
            lambda: sequence(VECTOR, layers.Dense(3, "gelu", name="wavy")),
            UnsupportedModelError,
            "'wavy' (Dense)",
            "hard_silu",
        ),
        (
            lambda: sequence(VECTOR, layers.Dense(3), layers.LayerNormalization(name="ln")),
            UnsupportedModelError,
            "'ln' (LayerNormalization)",
            "calibration_data",
        ),
        (
            lambda: sequence(VECTOR, layers.Dense(3), Custom(name="mine")),
            UnsupportedModelError,
            "'mine' (Custom)",
            "calibration_data",
        ),
        (
            lambda: sequence((4, 3), layers.Dense(3), layers.LSTM(2, name="memory")),
            UnsupportedModelError,
            "'memory' (LSTM)",
            "calibration_data",
        ),
        (
            lambda: sequence(VECTOR, layers.Dense(3), layers.ReLU(3.0, name="three")),
            UnsupportedModelError,
            "'three' (ReLU)",
            "ReLU(6.0)",
        ),
        (
            lambda: sequence(IMAGE, layers.Softmax(axis=1, name="high"), conv()),
            UnsupportedModelError,
            "'high' (Softmax)",
            "last axis",
        ),
        (Subclass, UnsupportedModelError, "are unknown", "keras.Sequential"),
        (
            lambda: keras.Sequential([layers.Dense(2)], name="unbuilt"),
            UnsupportedModelError,
            "'unbuilt'",
            "keras.Input",
        ),
        (diverged, ConfigError, "'conv2d' of model", "saved earlier"),
        (lambda: sequence(VECTOR, layers.ReLU()), ConfigError, "no layer with weights", "Dense"),
        (own_loop, ConfigError, "OwnLoop", "plain model"),
        (integers, UnsupportedModelError, "int32", "one-hot"),
        (lambda: tflm_ext.quantize_aware(plain()), ConfigError, "already", "strip"),
        (lambda: "model.keras", ConfigError, "str", "keras.Model"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    make: Any, kind: type[TflmExtError], names: str, remedy: str
) -> None:
    with pytest.raises(kind) as caught:
        tflm_ext.quantize_aware(make())
    assert names in caught.value.problem
    assert remedy in caught.value.hint


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="preserve='all'"):
        tflm_ext.quantize_aware(plain(), preserve="all")
    with pytest.raises(ConfigError, match="nothing to strip"):
        tflm_ext.strip(plain())
    with pytest.raises(ConfigError, match="not a model"):
        tflm_ext.strip(None)


def test_an_optimizer_of_another_model_is_refused() -> None:
    model = plain()
    used = keras.optimizers.Adam()
    used.build(model.trainable_variables)
    aware = tflm_ext.quantize_aware(model)
    aware.compile(used, "mse")
    x = samples(model, 8)
    with pytest.raises(ConfigError, match="Adam holds the state of another model's") as caught:
        aware.fit(x, outputs(model, x)[0], verbose=0)
    assert "from_config" in caught.value.hint


def test_an_untrained_model_is_not_exported() -> None:
    with pytest.raises(ConfigError, match="has no ranges") as caught:
        tflite(tflm_ext.quantize_aware(plain()))
    assert "fit()" in caught.value.hint


def test_a_diverged_model_is_not_exported() -> None:
    aware = train(tflm_ext.quantize_aware(plain()))
    kernel = aware.links.holders[0].layer.kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ConfigError, match="is NaN"):
        tflite(aware)
