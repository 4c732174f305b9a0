"""Every kind of layer: which channels go together, and which have to stay and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tflm_ext

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The ratio is not reached")]


@pytest.fixture(scope="module")
def nets() -> Any:
    from tests.compress import channel_nets

    return channel_nets


def conv(x: Any, filters: int, name: str, **options: Any) -> Any:
    import keras

    kind = {3: keras.layers.Conv1D, 4: keras.layers.Conv2D}[len(x.shape)]
    return kind(filters, options.pop("size", 3), padding="same", name=name, **options)(x)


def grouped(k: Any, x: Any) -> Any:
    return conv(conv(x, 12, "a"), 24, "b", groups=6)


def one_group_per_channel(k: Any, x: Any) -> Any:
    return conv(conv(x, 12, "a"), 24, "b", groups=12)


def depth_multiplier(k: Any, x: Any) -> Any:
    return k.layers.DepthwiseConv2D(3, depth_multiplier=2, name="b")(conv(x, 12, "a"))


def depthwise_1d(k: Any, x: Any) -> Any:
    x = conv(k.layers.Reshape((64, 3))(x), 12, "a")
    return k.layers.DepthwiseConv1D(3, depth_multiplier=2, name="b")(x)


def separable(k: Any, x: Any) -> Any:
    return k.layers.SeparableConv2D(16, 3, depth_multiplier=2, name="b")(conv(x, 12, "a"))


def separable_1d(k: Any, x: Any) -> Any:
    x = conv(k.layers.Reshape((64, 3))(x), 12, "a")
    return k.layers.SeparableConv1D(16, 3, name="b")(x)


def transposed_1d(k: Any, x: Any) -> Any:
    x = conv(k.layers.Reshape((64, 3))(x), 12, "a")
    return k.layers.Conv1DTranspose(16, 3, 2, name="b")(x)


def convolution_3d(k: Any, x: Any) -> Any:
    x = k.layers.Conv3D(12, 3, padding="same", name="a")(k.layers.Reshape((4, 4, 4, 3))(x))
    return k.layers.GlobalMaxPooling3D()(k.layers.MaxPooling3D()(x))


def dense_to_image(k: Any, x: Any) -> Any:
    x = k.layers.Dense(2 * 2 * 12, name="a")(k.layers.Flatten()(x))
    return conv(k.layers.Reshape((2, 2, 12))(x), 8, "b")


def dense_on_images(k: Any, x: Any) -> Any:
    return k.layers.Dense(8, name="b")(conv(x, 12, "a"))


def flatten_by_reshape(k: Any, x: Any) -> Any:
    return k.layers.Dense(8, name="b")(k.layers.Reshape((-1,))(conv(x, 12, "a")))


def space_to_channels(k: Any, x: Any) -> Any:
    return conv(k.layers.Reshape((8, 4, 24))(conv(x, 12, "a")), 8, "b")


def channels_to_space(k: Any, x: Any) -> Any:
    return conv(k.layers.Reshape((8, 16, 12))(conv(x, 24, "a")), 8, "b")


def concatenate_in_space(k: Any, x: Any) -> Any:
    return k.layers.Concatenate(axis=1)([conv(x, 12, "a"), conv(x, 12, "b")])


def add_a_part_of_a_concatenation(k: Any, x: Any) -> Any:
    both = k.layers.Concatenate()([conv(x, 8, "a"), conv(x, 16, "b")])
    return conv(k.layers.Add()([both, conv(x, 24, "c")]), 8, "d")


def every_merge(k: Any, x: Any) -> Any:
    names = ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average")
    y = conv(x, 12, "a")
    for name in names:
        y = getattr(k.layers, name)()([y, conv(x, 12, name)])
    return y


def excitation(k: Any, x: Any) -> Any:
    y = conv(x, 16, "a")
    z = k.layers.Dense(8, activation="relu", name="b")(k.layers.GlobalAveragePooling2D()(y))
    z = k.layers.Dense(16, activation="sigmoid", name="c")(z)
    return k.layers.Multiply()([y, k.layers.Reshape((1, 1, 16))(z)])


def attention_in_space(k: Any, x: Any) -> Any:
    """One channel for all belongs to none of them."""
    y = conv(x, 16, "a")
    return k.layers.Multiply()([y, conv(y, 1, "b", activation="sigmoid")])


def functions(k: Any, x: Any) -> Any:
    y = conv(x, 12, "a")
    y = k.ops.relu(y * 2.0 - conv(x, 12, "b")) / 3.0
    y = k.ops.concatenate([y, conv(x, 8, "c")], axis=-1)
    return k.ops.mean(y, axis=[1, 2])


def per_channel(k: Any, x: Any) -> Any:
    y = k.layers.PReLU(name="alpha")(conv(x, 12, "a"))
    y = k.layers.BatchNormalization(scale=False, name="norm")(y)
    y = k.layers.PReLU(shared_axes=[1, 2], name="shared")(conv(y, 8, "b"))
    return k.layers.LeakyReLU()(y)


def passing(k: Any, x: Any) -> Any:
    y = k.layers.ZeroPadding2D()(conv(x, 12, "a"))
    y = k.layers.Cropping2D()(k.layers.UpSampling2D()(y))
    y = k.layers.Resizing(9, 7)(y)
    y = k.layers.AveragePooling2D(2)(k.layers.SpatialDropout2D(0.2)(y))
    y = k.layers.Permute((2, 1, 3))(k.layers.GaussianNoise(0.1)(y))
    y = k.layers.Rescaling(0.5)(k.layers.Activation("tanh")(y))
    return k.layers.ActivityRegularization(l2=0.1)(k.layers.Identity()(y))


def repeated(k: Any, x: Any) -> Any:
    y = k.layers.GlobalMaxPooling2D()(conv(x, 12, "a"))
    return conv(k.layers.RepeatVector(5)(y), 8, "b")


def nested(k: Any, x: Any) -> Any:
    inner = k.Sequential([k.layers.Input((8, 8, 12)), k.layers.Conv2D(16, 3, name="b")], name="in")
    image = k.Input((8, 8, 12))
    middle = k.Model(image, k.layers.ReLU()(inner(conv(image, 12, "c"))), name="middle")
    return middle(conv(x, 12, "a"))


def reused_activation(k: Any, x: Any) -> Any:
    relu = k.layers.ReLU()
    return relu(conv(relu(conv(x, 12, "a")), 16, "b"))


def layer_as_activation(k: Any, x: Any) -> Any:
    return conv(x, 12, "a", activation=k.layers.LeakyReLU(0.1))


ALL_GO = (
    (grouped, {"a": 12, "b": 24}),
    (one_group_per_channel, {"a": 12, "b": 24}),
    (depth_multiplier, {"a": 12}),
    (depthwise_1d, {"a": 12}),
    (separable, {"a": 12, "b": 16}),
    (separable_1d, {"a": 12, "b": 16}),
    (transposed_1d, {"a": 12, "b": 16}),
    (convolution_3d, {"a": 12}),
    (dense_to_image, {"a": 48, "b": 8}),
    (dense_on_images, {"a": 12, "b": 8}),
    (flatten_by_reshape, {"a": 12, "b": 8}),
    (space_to_channels, {"a": 12, "b": 8}),
    (channels_to_space, {"a": 24, "b": 8}),
    (concatenate_in_space, {"a": 12, "b": 12}),
    (add_a_part_of_a_concatenation, {"a": 8, "b": 16, "c": 24, "d": 8}),
    (every_merge, dict.fromkeys(("a", "Add", "Subtract", "Multiply"), 12)),
    (excitation, {"a": 16, "b": 8, "c": 16}),
    (attention_in_space, {"a": 16}),
    (functions, {"a": 12, "b": 12, "c": 8}),
    (per_channel, {"a": 12, "b": 8}),
    (passing, {"a": 12}),
    (repeated, {"a": 12, "b": 8}),
    (nested, {"a": 12, "middle/c": 12, "middle/in/b": 16}),
    (reused_activation, {"a": 12, "b": 16}),
    (layer_as_activation, {"a": 12}),
)


def net(nets: Any, body: Callable[[Any, Any], Any]) -> Any:
    """Layers between an image and a Dense layer that is the output."""
    import keras

    image = keras.Input((8, 8, 3), name="image")
    x = body(keras, image)
    x = keras.layers.Flatten()(x) if len(x.shape) > 2 else x
    model = keras.Model(image, keras.layers.Dense(3, name="head")(x))
    return nets.with_random_weights(model)


@pytest.mark.parametrize(
    ("body", "channels"), ALL_GO, ids=lambda value: value.__name__ if callable(value) else ""
)
@pytest.mark.parametrize("ratio", [0.4, 0.9])
def test_channels_that_go(
    nets: Any, body: Callable[[Any, Any], Any], channels: dict[str, int], ratio: float
) -> None:
    model = net(nets, body)
    pruned, report = tflm_ext.prune_channels(model, ratio=ratio, multiple_of=2, report=True)
    x = nets.samples(model)
    np.testing.assert_allclose(
        np.asarray(pruned(x)), nets.masked_outputs(model, pruned, x), rtol=1e-3, atol=1e-4
    )
    assert channels.items() <= {row.layer: row.before for row in report.layers}.items()
    assert 0 < report.removed_share <= ratio
    if ratio == 0.9:
        assert all(row.after < row.before for row in report.layers)
    assert all(row.after % 2 == 0 for row in report.layers)
    assert "head: they are outputs of the model" in map(str, report.untouched)


def test_what_goes_together(nets: Any) -> None:
    """The counts of tied layers are equal, and those of a concatenation add up."""
    model = net(nets, add_a_part_of_a_concatenation)
    pruned = tflm_ext.prune_channels(model, ratio=0.5)
    a, b, c = (pruned.get_layer(name).filters for name in "abc")
    assert (a + b, a % 4, b % 4) == (c, 0, 0)
    assert c < 24


# ------------------------------------------------------------------ what stays


def custom(k: Any, x: Any) -> Any:
    class Halved(k.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 0.5

    return Halved(name="mine")(x)


def custom_convolution(k: Any, x: Any) -> Any:
    class Mine(k.layers.Conv2D):
        pass

    return Mine(8, 3, name="mine")(x)


def function_of_the_user(k: Any, x: Any) -> Any:
    return k.layers.Lambda(lambda t: t[..., ::-1], output_shape=(8, 8, 12), name="mine")(x)


def activation_of_the_user(k: Any, x: Any) -> Any:
    return conv(x, 12, "mine", activation=lambda t: t - k.ops.mean(t, axis=-1, keepdims=True))


def shared(k: Any, x: Any) -> Any:
    layer = k.layers.Conv2D(12, 3, padding="same", name="twice")
    return layer(layer(x))


def attention(k: Any, x: Any) -> Any:
    x = k.layers.Reshape((64, 12))(x)
    return k.layers.MultiHeadAttention(2, 4, name="look")(x, x)


def recurrent(k: Any, x: Any) -> Any:
    return k.layers.LSTM(8, name="lstm")(k.layers.Reshape((64, 12))(x))


def in_time(k: Any, x: Any) -> Any:
    return k.layers.TimeDistributed(k.layers.Dense(8), name="rows")(x)


def normalised(k: Any, x: Any) -> Any:
    return k.layers.LayerNormalization(name="norm")(x)


def softmax_over_channels(k: Any, x: Any) -> Any:
    return conv(x, 12, "soft", activation="softmax")


def mean_over_channels(k: Any, x: Any) -> Any:
    return k.ops.mean(x, axis=-1, keepdims=True)


def constrained(k: Any, x: Any) -> Any:
    return conv(x, 8, "max_norm", kernel_constraint="max_norm")


def low_rank(k: Any, x: Any) -> Any:
    layer = k.layers.Dense(8, name="lora")
    y = layer(x)
    layer.enable_lora(2)
    return y


def channels_first(k: Any, x: Any) -> Any:
    return k.layers.Flatten(data_format="channels_first", name="flat")(x)


def normalised_over_rows(k: Any, x: Any) -> Any:
    return k.layers.BatchNormalization(axis=1, name="norm")(x)


def scaled_per_channel(k: Any, x: Any) -> Any:
    return k.layers.Rescaling(np.arange(12.0), name="scale")(x)


def dropped_per_channel(k: Any, x: Any) -> Any:
    return k.layers.Dropout(0.5, noise_shape=(None, 1, 1, 12), name="drop")(x)


def channels_to_rows(k: Any, x: Any) -> Any:
    return k.layers.Permute((3, 1, 2), name="turn")(x)


def standardised(k: Any, x: Any) -> Any:
    return k.layers.Normalization(mean=0.5, variance=2.0, name="standard")(x)


def added_constant(k: Any, x: Any) -> Any:
    return x + np.arange(12, dtype="float32")


STAYS = (
    (custom, "mine: the layer or its activation is not one of Keras' own"),
    (custom_convolution, "mine: the layer or its activation is not one of Keras' own"),
    (function_of_the_user, "mine: the layer or its activation is not one of Keras' own"),
    (activation_of_the_user, "mine: the layer or its activation is not one of Keras' own"),
    (shared, "twice: the layer is used more than once"),
    (attention, "look: attention mixes the channels"),
    (recurrent, "lstm: the layer is recurrent"),
    (in_time, "rows: there is no rule for the layer"),
    (normalised, "norm: the layer computes across the channels"),
    (softmax_over_channels, "soft: the layer computes across the channels"),
    (mean_over_channels, "first: the layer computes across the channels (mean"),
    (constrained, "max_norm: the layer has a weight constraint"),
    (low_rank, "lora: there is no rule for the layer"),
    (channels_first, "first: the layer has its channels first (flat)"),
    (normalised_over_rows, "norm: the layer has its channels first"),
    (scaled_per_channel, "first: there is no rule for the layer (scale)"),
    (dropped_per_channel, "first: there is no rule for the layer (drop)"),
    (channels_to_rows, "first: there is no rule for the layer (turn)"),
    (standardised, "first: there is no rule for the layer (standard)"),
    (added_constant, "first: there is no rule for the layer (add"),
)


@pytest.mark.parametrize(
    ("body", "row"), STAYS, ids=lambda value: value.__name__ if callable(value) else ""
)
def test_channels_that_stay(nets: Any, body: Callable[[Any, Any], Any], row: str) -> None:
    """`first` before the layer in question stays, unless only what comes out of it is held."""

    def around(k: Any, x: Any) -> Any:
        y = body(k, conv(x, 12, "first"))
        y = k.layers.Flatten()(y) if len(y.shape) > 2 else y
        return k.layers.Dense(16, name="last")(y)

    model = net(nets, around)
    pruned, report = tflm_ext.prune_channels(model, ratio=0.9, report=True)
    x = nets.samples(model)
    np.testing.assert_allclose(
        np.asarray(pruned(x)), nets.masked_outputs(model, pruned, x), rtol=1e-3, atol=1e-4
    )
    # Keras numbers the functions: mean, mean_1, ...
    assert any(str(untouched).startswith(row) for untouched in report.untouched)
    pruned_layers = {row.layer: row.after for row in report.layers}
    assert pruned_layers["last"] == 4
    goes = body in (softmax_over_channels, activation_of_the_user)
    assert set(pruned_layers) == ({"first", "last"} if goes else {"last"})


def test_several_inputs_and_outputs(nets: Any) -> None:
    import keras

    a, b = keras.Input((8, 8, 1), name="a"), keras.Input((6,), name="b")
    x = keras.layers.GlobalMaxPooling2D()(conv(a, 12, "conv"))
    y = keras.layers.Dense(12, activation="relu", name="dense")(b)
    both = keras.layers.Maximum()([x, y])
    side = keras.layers.Dense(8, name="side")(b)
    outputs = {"sum": keras.layers.Dense(2, name="head")(both), "side": side}
    model = nets.with_random_weights(keras.Model({"a": a, "b": b}, outputs))
    inputs = dict(zip("ab", nets.samples(model), strict=True))
    pruned, report = tflm_ext.prune_channels(model, ratio=0.5, data=inputs, report=True)
    assert {row.layer: row.after for row in report.layers} == {"conv": 8, "dense": 8}
    assert {row.layer for row in report.untouched} == {"head", "side"}
    found, expected = pruned(inputs), nets.masked_outputs(model, pruned, inputs)
    for name in ("sum", "side"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_an_output_and_goes_on(nets: Any) -> None:
    import keras

    image = keras.Input((8, 8, 1))
    x = conv(image, 12, "seen")
    y = conv(x, 12, "hidden")
    model = keras.Model(image, [x, keras.layers.Dense(2, name="head")(y)])
    _, report = tflm_ext.prune_channels(model, ratio=0.5, report=True)
    assert [row.layer for row in report.layers] == ["hidden"]
    assert "seen: they are outputs of the model" in map(str, report.untouched)


def test_a_residual_around_the_input_stays(nets: Any) -> None:
    def body(k: Any, x: Any) -> Any:
        return conv(k.layers.Add()([x, conv(x, 3, "a")]), 8, "b")

    _, report = tflm_ext.prune_channels(net(nets, body), ratio=0.5, report=True)
    assert "a: they are inputs of the model (image)" in map(str, report.untouched)


def test_a_model_used_twice_stays(nets: Any) -> None:
    import keras

    image, other = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    tower = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Conv2D(8, 3, name="inner")], name="tower"
    )
    x = keras.layers.Concatenate()([tower(image), tower(other)])
    x = keras.layers.Flatten()(conv(x, 8, "after"))
    model = nets.with_random_weights(
        keras.Model([image, other], keras.layers.Dense(2, name="head")(x))
    )
    pruned, report = tflm_ext.prune_channels(model, ratio=0.5, report=True)
    assert [str(row) for row in report.untouched] == [
        "tower: the layer is used more than once",
        "head: they are outputs of the model",
    ]
    x = nets.samples(model)
    np.testing.assert_allclose(
        np.asarray(pruned(x)), nets.masked_outputs(model, pruned, x), rtol=1e-4, atol=1e-5
    )


def test_weights_that_do_not_train_stay_so(nets: Any) -> None:
    model = nets.with_random_weights(nets.NETS["resnet"]())
    model.get_layer("a1_conv").trainable = False
    pruned = tflm_ext.prune_channels(model, ratio=0.5)
    assert not pruned.get_layer("a1_conv").trainable and pruned.get_layer("a2_conv").trainable


def test_classes_of_the_user_stay_where_they_can(nets: Any) -> None:
    """A model with a custom train_step() keeps it; one with another __init__() cannot."""
    import keras

    class Trained(keras.Model):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    class Made(keras.Model):
        def __init__(self, filters: int) -> None:
            image = keras.Input((8, 8, 1))
            x = keras.layers.Flatten()(conv(image, filters, "a"))
            super().__init__(image, keras.layers.Dense(2)(x))

    class Listed(keras.Sequential):
        def __init__(self) -> None:
            layers = keras.layers
            super().__init__([keras.Input((8, 8, 1)), layers.Conv2D(8, 3), layers.Flatten()])
            self.add(layers.Dense(2))

    image = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(conv(image, 8, "a"))
    trained = Trained(image, keras.layers.Dense(2)(x))
    for model in (trained, Made(8), Listed()):
        pruned = tflm_ext.prune_channels(model, ratio=0.5)
        assert pruned.layers[1 - isinstance(model, Listed)].filters == 4
        assert isinstance(pruned, Trained) == (model is trained)


def test_a_sequential_that_got_its_input_late(nets: Any) -> None:
    import keras

    model = keras.Sequential([keras.layers.Dense(8, name="a"), keras.layers.Dense(2)])
    model.build((None, 3))
    nets.with_random_weights(model)
    x = nets.samples(model)
    pruned = tflm_ext.prune_channels(model, ratio=0.5)
    assert pruned.get_layer("a").units == 4
    np.testing.assert_allclose(
        np.asarray(pruned(x)), nets.masked_outputs(model, pruned, x), rtol=1e-4, atol=1e-5
    )
