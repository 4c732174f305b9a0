"""SparsityCallback on models of both Keras libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.compress.images import RNG, X, Y, fit
from tflm_ext.convert import convert
from tflm_ext.errors import ConfigError
from tflm_ext.frontend import read_graph

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def cnn(library: Any, *, eager: bool = True) -> Any:
    """Eager unless said otherwise: to trace the step takes longer than these few batches."""
    library.utils.set_random_seed(1)
    layers = library.layers
    model = library.Sequential(
        [
            layers.Input((8, 8, 4)),
            layers.Conv2D(8, 3, activation="relu", name="conv"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Flatten(),
            layers.Dense(10, activation="relu", name="hidden"),
            layers.Dense(5, activation="softmax", name="scores"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, jit_compile=False, run_eagerly=eager)
    return model


def sparsity(*arguments: Any, **options: Any) -> Any:
    return tflm_ext.SparsityCallback(*arguments, **options)


def kernel(model: Any, name: str) -> np.ndarray:
    layer = model.get_layer(name)
    return np.array(layer.kernel.numpy())


def rows(weights: np.ndarray) -> np.ndarray:
    """Weights with the input channels last, which is the last axis but one of these layers."""
    return np.moveaxis(weights, -2, -1)


def test_every_pattern_in_both_libraries(library: Any) -> None:
    model = cnn(library, eager=False)
    start = model.get_weights()
    for pattern, share in (("1x4", 0.75), ("2:4", 0.5), ("unstructured", 0.9)):
        model.set_weights(start)
        callback = sparsity(share, pattern=pattern)
        fit(model, callback)
        for name in ("conv", "hidden"):
            weights = kernel(model, name)
            zero = rows(weights) == 0
            blocks = zero.reshape(-1, 4)
            assert zero.mean() == pytest.approx(share, abs=2 / blocks.shape[0])
            assert zero.mean() >= share
            if pattern == "1x4":
                assert set(blocks.sum(axis=1)) == {0, 4}
            if pattern == "2:4":
                assert set(blocks.sum(axis=1)) == {2}
        report = {row.layer: row for row in callback.report}
        assert report["conv"].zeros == (kernel(model, "conv") == 0).sum()
        assert report["conv"].sparsity >= share
        assert "depthwise" in report["depthwise"].reason
        assert "nothing is saved" in callback.saving


def test_a_last_block_that_is_not_full(keras: Any) -> None:
    x = np.concatenate([X, X[..., :2]], axis=-1)
    for pattern, share in (("1x4", 0.5), ("2:4", 0.5)):
        model = keras.Sequential([keras.Input((8, 8, 6)), keras.layers.Conv2D(8, 3, name="conv")])
        model.compile("sgd", "mse")
        fit(model, sparsity(share, pattern=pattern), x=x, y=np.zeros((64, 6, 6, 8)))
        zero = rows(kernel(model, "conv")) == 0
        if pattern == "1x4":
            assert set(zero[..., :4].sum(axis=-1).ravel()) == {0, 4}
            assert set(zero[..., 4:].sum(axis=-1).ravel()) == {0, 2}
            assert zero.mean() == pytest.approx(0.5, abs=4 / zero.size)
        else:
            assert set(zero[..., :4].sum(axis=-1).ravel()) == {2}
            assert not zero[..., 4:].any()  # with two zeros next to them they are two of four


def test_what_becomes_zero_is_what_is_least(keras: Any) -> None:
    model = cnn(keras)
    before = kernel(model, "conv")
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    fit(model, sparsity(0.5, layers=["conv"]), epochs=1)
    after = kernel(model, "conv")
    sums = np.abs(rows(before)).sum(axis=-1)
    gone = rows(after == 0).all(axis=-1)
    assert sums[gone].max() < sums[~gone].min()
    np.testing.assert_array_equal(after[after != 0], before[after != 0])


def follow(library: Any) -> tuple[Any, list[float], list[float]]:
    """A callback, and the shares of zeros that it sees after every epoch and every batch."""
    epochs: list[float] = []
    batches: list[float] = []

    class Follow(library.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            batches.append(float((kernel(self.model, "hidden") == 0).mean()))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            epochs.append(float((kernel(self.model, "hidden") == 0).mean()))

    return Follow(), epochs, batches


def test_polynomial_schedule_is_cubic(library: Any) -> None:
    model = cnn(library, eager=False)
    watch, seen, batches = follow(library)
    fit(model, sparsity(0.8, begin_epoch=1, end_epoch=4), watch, epochs=6)
    parts = [0, 1 / 4, 2 / 4, 3 / 4, 1, 1]
    expected = [0.8 * (1 - (1 - part) ** 3) for part in parts]
    np.testing.assert_allclose(seen, expected, atol=4 / kernel(model, "hidden").size)
    np.testing.assert_array_equal(batches, np.repeat(seen, 2))


def test_constant_schedule_is_final_at_once(library: Any) -> None:
    model = cnn(library)
    watch, seen, _ = follow(library)
    fit(model, sparsity(0.8, schedule="constant", begin_epoch=1), watch)
    np.testing.assert_allclose(seen, [0, 0.8, 0.8], atol=0.01)


def test_by_default_the_last_third_trains_with_all_zeros(keras: Any) -> None:
    watch, seen, _ = follow(keras)
    fit(cnn(keras), sparsity(0.8), watch, epochs=6)
    assert seen[2] < 0.8
    np.testing.assert_allclose(seen[3:], 0.8, atol=0.01)


def test_without_zeros_training_is_what_it_was(library: Any) -> None:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y, RNG.random(64))).batch(32)
    plain, watched = cnn(library), cnn(library)
    config = watched.get_config()
    names = [weights.name for weights in watched.weights]
    fit(plain, x=data, y=None, batch_size=None, validation_data=(X, Y))
    fit(watched, sparsity(0.0), x=data, y=None, batch_size=None, validation_data=(X, Y))
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert watched.history.history == plain.history.history
    assert watched.get_config() == config
    assert [weights.name for weights in watched.weights] == names


def test_training_goes_on_after_a_save_as_if_it_had_not_stopped(
    library: Any, tmp_path: Path
) -> None:
    def callback() -> Any:
        return sparsity(0.75, end_epoch=3)

    straight, first = cnn(library), cnn(library)
    path = tmp_path / "{epoch}.keras"
    save = library.callbacks.ModelCheckpoint(str(path))
    fit(straight, callback(), epochs=5, shuffle=False)
    whole = callback()
    fit(first, save, whole, epochs=5, shuffle=False)
    resumed = library.models.load_model(tmp_path / "2.keras")
    assert 0 < (kernel(resumed, "hidden") == 0).mean() < 0.75
    again = type(whole).from_config(whole.get_config())
    fit(resumed, again, epochs=5, initial_epoch=2, shuffle=False)
    for a, b in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a == 0, b == 0)
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert again.report == whole.report


def test_a_sparse_model_stays_sparse_in_another_fit(library: Any) -> None:
    model = cnn(library)
    fit(model, sparsity(0.75), epochs=2)
    zero = kernel(model, "hidden") == 0
    watch, seen, _ = follow(library)
    fit(model, sparsity(0.75), watch, epochs=4)
    np.testing.assert_array_equal(kernel(model, "hidden") == 0, zero)
    assert set(seen) == {zero.mean()}


def test_layers_by_name_and_inside_others(keras: Any) -> None:
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((8, 8)), layers.Conv1D(8, 3, name="a"), layers.LSTM(8, name="b")], name="body"
    )
    outer = keras.Input((8, 8))
    head = layers.Dense(4, name="head")
    frozen = layers.Dense(4, name="frozen", trainable=False)
    model = keras.Model(outer, frozen(head(inner(outer))))
    model.compile("sgd", "mse")
    data = {"x": X[..., 0], "y": np.zeros((64, 4))}
    for chosen, expected in (
        (None, {"a", "b", "head"}),
        (["body"], {"a", "b"}),
        ([head, "b"], {"head", "b"}),
    ):
        callback = sparsity(0.5, layers=chosen)
        fit(model, callback, **data)
        done = {(row.layer, row.weights) for row in callback.report if not row.reason}
        assert {layer for layer, _ in done} == expected
        if "b" in expected:
            assert {("b", "kernel"), ("b", "recurrent_kernel")} <= done
        left = {row.layer: row.reason for row in callback.report if row.reason}
        assert ("frozen" in left) == (chosen is None)
    assert callback.get_config()["layers"] == ["head", "b"]
    assert (kernel(model, "frozen") != 0).all()


def test_transposed_and_separable_convolutions(library: Any) -> None:
    layers = library.layers
    model = library.Sequential(
        [
            layers.Input((8, 8, 4)),
            layers.Conv2DTranspose(8, 3, name="transposed"),
            layers.SeparableConv2D(4, 3, name="separable"),
        ]
    )
    model.compile("sgd", "mse")
    callback = sparsity(0.5)
    fit(model, callback, y=np.zeros((64, 8, 8, 4)))
    transposed = kernel(model, "transposed") == 0  # (rows, columns, outputs, inputs)
    assert transposed.shape == (3, 3, 8, 4)
    assert set(transposed.reshape(-1, 4).sum(axis=1)) == {0, 4}
    pointwise = model.get_layer("separable").pointwise_kernel.numpy() == 0
    assert set(rows(pointwise).reshape(-1, 4).sum(axis=1)) == {0, 4}
    assert not (model.get_layer("separable").depthwise_kernel.numpy() == 0).any()


def test_zeros_are_zeros_in_the_int8_model(tf_keras: Any) -> None:
    model = cnn(tf_keras)
    fit(model, sparsity(0.75))
    data = np.concatenate([X, X])
    graph = read_graph(convert(model, data, progress=lambda text: None).int8.bytes)
    for operator, name in (("CONV_2D", "conv"), ("FULLY_CONNECTED", "hidden")):
        node = next(node for node in graph.nodes if node.operator == operator)
        int8 = graph.tensors[node.inputs[1]].array()
        weights = np.moveaxis(kernel(model, name), -1, 0)
        np.testing.assert_array_equal(int8[weights == 0], 0)
        assert (int8 == 0).mean() >= 0.75


def test_stopped_before_the_sparsity_is_final(library: Any) -> None:
    stop = library.callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    with pytest.raises(ConfigError, match=r"fit\(\) ended with epoch 1, before .* epoch 6"):
        fit(cnn(library), stop, sparsity(0.75, end_epoch=6), epochs=9)


def test_weights_that_were_put_back_are_made_sparse(library: Any) -> None:
    stop = library.callbacks.EarlyStopping(
        "loss", patience=3, min_delta=1e9, restore_best_weights=True
    )
    model = cnn(library)
    callback = sparsity(0.75, begin_epoch=1, end_epoch=2)
    with pytest.warns(UserWarning, match="restored weights"):
        fit(model, stop, callback, epochs=9)
    assert all(row.sparsity >= 0.75 for row in callback.report if not row.reason)


def test_a_loss_that_is_not_finite(library: Any) -> None:
    with pytest.raises(ConfigError, match="The loss is nan after batch 0 of epoch 0"):
        fit(cnn(library), sparsity(0.75), x=np.full_like(X, np.nan))


def test_weights_that_are_not_finite(library: Any) -> None:
    model = cnn(library)
    model.layers[0].bias.assign(np.full(8, np.inf))
    with pytest.raises(ConfigError, match=r"^Layer 'conv' of model '\w+' has weights that are not"):
        fit(model, sparsity(0.75))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"final_sparsity": np.complex64(0.5)}, "final_sparsity=np.complex64"),
        ({"final_sparsity": 1.0}, "final_sparsity=1.0"),
        ({"final_sparsity": -0.1}, "final_sparsity=-0.1"),
        ({"final_sparsity": float("nan")}, "final_sparsity=nan"),
        ({"final_sparsity": "half"}, "final_sparsity='half'"),
        ({"final_sparsity": 0.75, "pattern": "2:4"}, "final_sparsity=0.75"),
        ({"final_sparsity": 0.5, "pattern": "4x1"}, "pattern='4x1'"),
        ({"final_sparsity": 0.5, "schedule": "linear"}, "schedule='linear'"),
        ({"final_sparsity": 0.5, "begin_epoch": -1}, "begin_epoch=-1"),
        ({"final_sparsity": 0.5, "begin_epoch": 1.5}, "begin_epoch=1.5"),
        ({"final_sparsity": 0.5, "begin_epoch": 3, "end_epoch": 2}, "end_epoch=2"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sparsity(**arguments)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"end_epoch": 3}, r"end_epoch=3 is out of range: fit\(epochs=3\)"),
        ({"begin_epoch": 3}, r"begin_epoch=3 is out of range: fit\(epochs=3\)"),
        ({"schedule": "constant", "end_epoch": 3}, "end_epoch=3"),
        ({"layers": ["hiden"]}, "has no layer 'hiden'"),
        ({"layers": "flatten_x"}, "has no layer 'flatten_x'"),
        ({"layers": ["depthwise"]}, "'depthwise' cannot be made sparse"),
    ],
)
def test_a_fit_that_does_not_suit(keras: Any, arguments: dict[str, Any], problem: str) -> None:
    model = cnn(keras)
    before = model.get_weights()
    with pytest.raises(ConfigError, match=problem):
        fit(model, sparsity(0.5, **arguments))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_without_a_layer_to_work_on(keras: Any) -> None:
    layers = keras.layers
    thin = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten()])
    thin.compile("sgd", "mse")
    with pytest.raises(ConfigError, match=r"no layer that can be made sparse: .*1 input channel"):
        fit(thin, sparsity(0.5), x=X[..., :1], y=np.zeros((64, 144)))
    other = layers.Dense(4, name="other")
    with pytest.raises(ConfigError, match="does not contain the layer 'other'"):
        fit(cnn(keras), sparsity(0.5, layers=[other]))


DEVICES = """
import numpy as np, tensorflow as tf
import keras, tf_keras
import tflm_ext
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
x = np.random.default_rng(0).random((64, 8))
for library in (keras, tf_keras):
    layers = library.layers
    with strategy.scope():
        model = library.Sequential([layers.Input((8,)), layers.Dense(16), layers.Dense(4)])
        model.compile("adam", "mse")
    sparse = tflm_ext.SparsityCallback(0.75, end_epoch=1)
    model.fit(x, x[:, :4], batch_size=16, epochs=3, verbose=0, callbacks=[sparse])
    assert [row.zeros for row in sparse.report] == [96, 48], sparse.report
    few = tflm_ext.ClusteringCallback(4)
    model.fit(x, x[:, :4], batch_size=16, epochs=2, verbose=0, callbacks=[few])
    assert [row.values for row in few.report] == [4, 4], few.report
    for layer in model.layers:
        kernel = layer.kernel.value if library is keras else layer.kernel
        one, other = [replica.numpy() for replica in kernel.values]
        np.testing.assert_array_equal(one, other)
        assert len(np.unique(other)) == 4
        assert (other == 0).mean() == 0.75
"""


def test_a_distribution_over_two_devices() -> None:
    result = subprocess.run(
        [sys.executable, "-c", DEVICES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_mixed_precision_and_several_steps_at_once(library: Any) -> None:
    library.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = cnn(library)
    finally:
        library.mixed_precision.set_global_policy("float32")
    model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=2)
    callback = sparsity(0.75)
    fit(model, callback)
    assert all(row.sparsity >= 0.75 for row in callback.report if not row.reason)
