"""ClusteringCallback on models of both Keras libraries."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.compress.images import X, Y, fit
from tflm_ext.convert import convert
from tflm_ext.errors import ConfigError
from tflm_ext.frontend import read_graph

pytestmark = pytest.mark.slow

KERNELS = {"conv": "kernel", "depthwise": "depthwise_kernel", "hidden": "kernel"}


def cnn(library: Any, optimizer: Any = "adam", *, eager: bool = True) -> Any:
    """Eager unless said otherwise: to trace the step takes longer than these few batches."""
    library.utils.set_random_seed(1)
    layers = library.layers
    model = library.Sequential(
        [
            layers.Input((8, 8, 4)),
            layers.Conv2D(8, 3, activation="relu", name="conv"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise"),
            layers.Flatten(),
            layers.Dense(10, activation="relu", name="hidden"),
            layers.Dense(5, activation="softmax", name="scores"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, jit_compile=False, run_eagerly=eager)
    return model


def clustering(*arguments: Any, **options: Any) -> Any:
    return tflm_ext.ClusteringCallback(*arguments, **options)


def kernel(model: Any, name: str) -> np.ndarray:
    layer = model.get_layer(name)
    attribute = KERNELS[name] if hasattr(layer, KERNELS[name]) else "kernel"
    return np.array(getattr(layer, attribute).numpy())


def by_channel(weights: np.ndarray, name: str) -> np.ndarray:
    """(members, channels)."""
    return weights.reshape(-1, 16 if name == "depthwise" else weights.shape[-1])


def most(columns: np.ndarray) -> int:
    return max(len(np.unique(column)) for column in columns.T)


def test_every_kernel_has_few_values(library: Any) -> None:
    model = cnn(library, eager=False)
    start = model.get_weights()
    callback = clustering(6)
    fit(model, callback)
    for name in KERNELS:
        assert len(np.unique(kernel(model, name))) == 6
    assert {(row.layer, row.groups, row.values) for row in callback.report} == {
        ("conv", 1, 6),
        ("depthwise", 1, 6),
        ("hidden", 1, 6),
        ("scores", 1, 6),
    }
    assert "nothing is saved" in callback.saving
    model.set_weights(start)
    callback = clustering(3, per="channel")
    fit(model, callback)
    for name, channels in (("conv", 8), ("depthwise", 16), ("hidden", 10)):
        columns = by_channel(kernel(model, name), name)
        assert columns.shape[1] == channels
        assert most(columns) == 3
        assert len(np.unique(columns)) == 3 * channels
        (row,) = [row for row in callback.report if row.layer == name]
        assert (row.groups, row.values, row.size) == (channels, 3, columns.size)


def test_every_kernel_has_few_values_after_any_batch(library: Any) -> None:
    model = cnn(library, eager=False)
    for per in ("tensor", "channel"):
        seen: list[int] = []

        def follow(batch: int, logs: Any, per: str = per, seen: list[int] = seen) -> None:
            for name in KERNELS:
                weights = kernel(model, name)
                columns = by_channel(weights, name) if per == "channel" else weights.reshape(-1, 1)
                seen.append(most(columns))

        watch = library.callbacks.LambdaCallback(on_train_batch_end=follow)
        fit(model, clustering(4, per=per, average_batches=1), watch, epochs=2, batch_size=10)
        assert seen == [4] * 2 * 7 * len(KERNELS)  # epochs, batches, kernels


def test_averages_are_taken_after_some_batches_and_before_the_epoch_ends(library: Any) -> None:
    model = cnn(library)
    few: list[bool] = []
    seen: list[bool] = []

    class Follow(library.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            few.append(most(kernel(self.model, "hidden").reshape(-1, 1)) <= 4)

        def on_test_begin(self, logs: Any = None) -> None:
            seen.append(few[-1])

    watch, callback = Follow(), clustering(4, average_batches=3)
    model.fit(X, Y, 10, 2, 0, callbacks=[callback, watch], validation_data=(X, Y))
    assert few == [False, False, True, False, False, True, True] * 2  # 7 batches an epoch
    assert seen == [True] * 2
    few.clear()
    import tensorflow as tf

    unknown = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10).filter(lambda x, y: True)
    model.fit(unknown, epochs=1, verbose=0, callbacks=[callback, watch])
    assert few == [True] * 7


def test_a_step_of_sgd_goes_along_the_averaged_gradients(library: Any) -> None:
    import tensorflow as tf

    model = cnn(library, library.optimizers.SGD(0.1))
    fit(model, clustering(6), epochs=1)  # which moves, but from here on finds the same clusters
    before = kernel(model, "hidden")
    loss = library.losses.SparseCategoricalCrossentropy()
    with tf.GradientTape() as tape:
        value = loss(Y, model(X, training=True))
    variable = model.get_layer("hidden").kernel
    gradients = tape.gradient(value, [variable.value if variable.shape is None else variable])
    gradient = np.array(gradients[0])
    fit(model, clustering(6), epochs=1, batch_size=64)
    after = kernel(model, "hidden")
    for centre in np.unique(before):
        members = before == centre
        assert len(np.unique(after[members])) == 1
        step = -0.1 * gradient[members].mean()
        np.testing.assert_allclose(after[members] - centre, step, rtol=1e-3, atol=1e-6)


def test_zeros_stay_zero_and_count(library: Any) -> None:
    for per in ("tensor", "channel"):
        model = cnn(library)
        sparse = tflm_ext.SparsityCallback(0.5, schedule="constant", layers=["conv", "hidden"])
        fit(model, sparse, epochs=1)
        zero = {name: kernel(model, name) == 0 for name in ("conv", "hidden")}
        fit(model, clustering(4, per=per))
        for name, zeros in zero.items():
            weights = kernel(model, name)
            np.testing.assert_array_equal(weights == 0, zeros)
            assert zeros.mean() == 0.5
            columns = by_channel(weights, name) if per == "channel" else weights.reshape(-1, 1)
            assert most(columns) == 4


def test_with_a_sparsity_callback_that_ends_before(library: Any) -> None:
    model = cnn(library)
    sparse = tflm_ext.SparsityCallback(0.75, end_epoch=1, layers=["conv", "hidden"])
    few = clustering(4, begin_epoch=2)
    fit(model, sparse, few, epochs=4)
    assert all(row.sparsity >= 0.75 for row in sparse.report if not row.reason)
    assert all(row.values <= 4 for row in few.report)


@pytest.mark.parametrize(("begin", "sparse_first"), [(1, True), (2, False)])
def test_with_a_sparsity_callback_that_ends_after(
    keras: Any, begin: int, sparse_first: bool
) -> None:
    sparse = tflm_ext.SparsityCallback(0.75, begin_epoch=begin, layers=["hidden"])
    callbacks = [sparse, clustering(4)] if sparse_first else [clustering(4), sparse]
    with pytest.raises(ConfigError, match="Layer 'hidden' has gained zeros since its clusters"):
        fit(cnn(keras), *callbacks, epochs=3)


def test_clusters_begin_when_they_should_and_are_found_anew(library: Any) -> None:
    values: list[tuple[int, int]] = []
    numbers: list[np.ndarray] = []

    class Follow(library.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batch = len(np.unique(kernel(self.model, "hidden")))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            weights = kernel(self.model, "hidden")
            values.append((self.batch, len(np.unique(weights))))
            numbers.append(np.unique(weights, return_inverse=True)[1])

    model = cnn(library, library.optimizers.Adam(0.05))
    fit(model, clustering(5, begin_epoch=1, reassign_epochs=2), Follow(), epochs=5)
    every = kernel(model, "hidden").size
    assert values[0][0] == values[0][1] > every / 2
    assert [at_end for _, at_end in values[1:]] == [5] * 4
    assert [batch > 5 for batch, _ in values[1:]] == [True, True, False, False]
    changed = [(a != b).any() for a, b in pairwise(numbers[1:])]
    assert changed[0]


def test_training_goes_on_after_a_save_as_if_it_had_not_stopped(
    library: Any, tmp_path: Path
) -> None:
    model = cnn(library)
    save = library.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    whole = clustering(5, begin_epoch=1)
    fit(model, save, whole, epochs=4, shuffle=False)
    resumed = library.models.load_model(tmp_path / "2.keras")
    again = type(whole).from_config(whole.get_config())
    fit(resumed, again, epochs=4, initial_epoch=2, shuffle=False)
    for a, b in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert again.report == whole.report


def test_an_int8_model_has_as_few_values(keras: Any) -> None:
    model = cnn(keras)
    sparse = tflm_ext.SparsityCallback(0.5, schedule="constant", layers=["conv", "hidden"])
    fit(model, sparse, epochs=1)
    fit(model, clustering(5, per="channel"))
    data = np.concatenate([X, X])
    graph = read_graph(convert(model, data, progress=lambda text: None).int8.bytes)
    seen = []
    for node in graph.nodes:
        if node.operator not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        tensor = graph.tensors[node.inputs[1]]
        assert tensor.quantization is not None
        axis = tensor.quantization.axis
        groups = len(tensor.quantization.scales)
        assert groups > 1
        columns = np.moveaxis(tensor.array(), axis, -1).reshape(-1, groups)
        assert most(columns) <= 5
        seen.append(node.operator)
        if node.operator != "DEPTHWISE_CONV_2D" and len(seen) < 4:
            assert (columns == 0).mean() >= 0.5
    assert seen == ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "FULLY_CONNECTED"]


def test_weights_that_were_put_back_are_clustered(library: Any) -> None:
    stop = library.callbacks.EarlyStopping(
        "loss", patience=3, min_delta=1e9, restore_best_weights=True
    )
    callback = clustering(5, begin_epoch=1)
    with pytest.warns(UserWarning, match="restored weights"):
        fit(cnn(library), stop, callback, epochs=9)
    assert all(row.values <= 5 for row in callback.report)


def test_stopped_before_there_are_clusters(keras: Any) -> None:
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    with pytest.raises(ConfigError, match=r"fit\(\) ended with epoch 1, .* values, not 5"):
        fit(cnn(keras), stop, clustering(5, begin_epoch=6), epochs=9)


def test_a_loss_that_is_not_finite(library: Any) -> None:
    with pytest.raises(ConfigError, match="The loss is nan after batch 0 of epoch 0"):
        fit(cnn(library), clustering(5), x=np.full_like(X, np.nan))


def test_layers_by_name(keras: Any) -> None:
    model = cnn(keras)
    callback = clustering(5, layers=["hidden"])
    fit(model, callback)
    assert [row.layer for row in callback.report] == ["hidden"]
    assert len(np.unique(kernel(model, "conv"))) > 5
    assert type(callback).from_config(callback.get_config()).layers == ("hidden",)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"clusters": 1}, "clusters=1"),
        ({"clusters": 257}, "clusters=257"),
        ({"clusters": 4.5}, "clusters=4.5"),
        ({"per": "row"}, "per='row'"),
        ({"begin_epoch": -1}, "begin_epoch=-1"),
        ({"reassign_epochs": -1}, "reassign_epochs=-1"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        clustering(**arguments)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"begin_epoch": 2}, r"begin_epoch=2 is out of range: fit\(epochs=2\)"),
        ({"begin_epoch": 1, "reassign_epochs": 1}, "begin_epoch=1, reassign_epochs=1 is out"),
        ({"layers": ["konv"]}, "has no layer 'konv'"),
        ({"layers": ["flatten"]}, "'flatten.*' cannot be clustered"),
    ],
)
def test_a_fit_that_does_not_suit(keras: Any, arguments: dict[str, Any], problem: str) -> None:
    model = cnn(keras)
    if arguments.get("layers") == ["flatten"]:
        arguments = {"layers": [model.layers[3].name]}
    before = model.get_weights()
    with pytest.raises(ConfigError, match=problem):
        fit(model, clustering(5, **arguments), epochs=2)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
