"""Small nets of the shapes that channel pruning meets, with random weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

layers = keras.layers


def plain_cnn() -> Any:
    return keras.Sequential(
        [
            layers.Input((12, 12, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_a"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, padding="same", use_bias=False, name="conv_b"),
            layers.BatchNormalization(name="norm_b"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(32, activation="relu", name="dense_a"),
            layers.Dense(5, activation="softmax", name="head"),
        ],
        name="plain_cnn",
    )


def _conv(x: Any, filters: int, name: str, *, size: int = 3, strides: int = 1) -> Any:
    x = layers.Conv2D(filters, size, strides, "same", name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x)


def resnet() -> Any:
    """Two stages; the second halves the image and has a convolution on its shortcut."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.ReLU()(_conv(image, 16, "stem"))
    y = layers.ReLU()(_conv(x, 16, "a1"))
    x = layers.ReLU()(layers.Add()([x, _conv(y, 16, "a2")]))
    y = layers.ReLU()(_conv(x, 24, "b1", strides=2))
    y = _conv(y, 24, "b2")
    x = layers.ReLU()(layers.Add()([_conv(x, 24, "b0", size=1, strides=2), y]))
    y = layers.ReLU()(_conv(x, 24, "c1"))
    x = layers.ReLU()(layers.Add()([x, _conv(y, 24, "c2")]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(5, name="head")(x), name="resnet")


def _excited(x: Any, filters: int, name: str) -> Any:
    """Squeeze and excitation."""
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(8, 1, activation="relu", name=f"{name}_squeeze")(y)
    y = layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_excite")(y)
    return layers.Multiply()([x, y])


def mobilenet() -> Any:
    """Inverted residuals: widen, filter depthwise, excite, narrow."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.ReLU(6.0)(_conv(image, 8, "stem", strides=2))
    for name, filters, strides in (("a", 8, 1), ("b", 12, 2), ("c", 12, 1)):
        y = layers.ReLU(6.0)(_conv(x, 4 * x.shape[-1], f"{name}_widen", size=1))
        y = layers.DepthwiseConv2D(3, strides, "same", name=f"{name}_depth")(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization(name=f"{name}_depth_norm")(y))
        y = _conv(_excited(y, y.shape[-1], name), filters, f"{name}_narrow", size=1)
        x = layers.Add()([x, y]) if x.shape == y.shape else y
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(5, name="head")(x), name="mobilenet")


def unet() -> Any:
    """Down twice, up twice, with the way down concatenated to the way up."""
    image = keras.Input((8, 8, 1), name="image")
    a = layers.Conv2D(8, 3, padding="same", activation="relu", name="down_a")(image)
    b = layers.Conv2D(16, 3, padding="same", activation="relu", name="down_b")(
        layers.MaxPooling2D()(a)
    )
    c = layers.Conv2D(24, 3, padding="same", activation="relu", name="bottom")(
        layers.MaxPooling2D()(b)
    )
    x = layers.Conv2DTranspose(16, 2, 2, activation="relu", name="up_b")(c)
    x = layers.Concatenate()([x, b])
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="merge_b")(x)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = layers.Concatenate()([a, x])
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="merge_a")(x)
    return keras.Model(image, layers.Conv2D(2, 1, name="head")(x), name="unet")


def tcn() -> Any:
    """Dilated causal convolutions over time, with residuals."""
    signal = keras.Input((32, 3), name="signal")
    x = layers.Conv1D(16, 1, name="stem")(signal)
    for d in (1, 2, 4):
        y = layers.Conv1D(16, 3, dilation_rate=d, padding="causal", name=f"wide_{d}")(x)
        y = layers.BatchNormalization(name=f"norm_{d}")(y)
        y = layers.Conv1D(16, 1, name=f"point_{d}")(layers.ReLU()(y))
        x = layers.Add()([x, y])
    x = layers.GlobalMaxPooling1D()(layers.ReLU()(x))
    return keras.Model(signal, layers.Dense(3, name="head")(x), name="tcn")


NETS = {net.__name__: net for net in (plain_cnn, resnet, mobilenet, unet, tcn)}


def with_random_weights(model: Any, seed: int = 0) -> Any:
    """Every bias differs from every other, so that it names its channel."""
    rng = np.random.default_rng(seed)
    for layer in leaves(model):
        for weight in layer.weights:
            if weight.path.endswith("variance"):
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            elif len(weight.shape) == 1:
                weight.assign(rng.normal(0.1, 0.4, weight.shape))
            else:
                fan_in = np.prod(weight.shape[:-1])
                weight.assign(rng.normal(0, 1.2 / np.sqrt(fan_in), weight.shape))
    return model


def samples(model: Any, count: int = 8, seed: int = 1) -> Any:
    """Random inputs, as the model takes them."""
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(count, *t.shape[1:])).astype("float32") for t in model.inputs]
    return arrays if len(arrays) > 1 else arrays[0]


def shift(layer: Any) -> Any:
    """What is added to each channel of a layer's output, None for a layer that adds nothing."""
    variable = getattr(layer, "beta", None)
    variable = getattr(layer, "bias", None) if variable is None else variable
    return None if variable is None else np.asarray(variable)


def masked_outputs(model: Any, pruned: Any, x: Any) -> Any:
    """What the model gives at its full size, with the channels that `pruned` lacks set to zero.

    Which these are is read from the biases alone, after every layer that has any.
    """
    after = {layer.name: shift(layer) for layer in leaves(pruned)}
    masks = {
        layer.name: mask.astype("float32")
        for layer in leaves(model)
        if (values := shift(layer)) is not None
        and not (mask := np.isin(values, after[layer.name])).all()
    }

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(operation, "layers"):
            return run(operation, *args)
        outputs = operation(*args, **kwargs)
        return outputs * masks[operation.name] if operation.name in masks else outputs

    def run(nested: Any, inputs: Any) -> Any:
        function = getattr(nested, "_functional", nested)
        return function._run_through_graph(inputs, call_fn=call)

    return keras.tree.map_structure(np.asarray, run(model, x))


def leaves(model: Any) -> list[Any]:
    """Every layer that is not a model."""
    found = model._flatten_layers(include_self=False, recursive=True)
    return [layer for layer in found if not hasattr(layer, "layers")]


def multiplications(model: Any) -> int:
    """Multiply-accumulate operations of one inference, from the layers' sizes."""
    return sum(_multiplications(layer) for layer in model.layers)


def _multiplications(layer: Any) -> int:
    if not layer.weights or isinstance(layer, layers.BatchNormalization):
        return 0
    kernel = int(np.prod(layer.kernel.shape))
    if isinstance(layer, layers.Dense):
        return kernel
    # A transposed convolution spreads every input; any other gathers for every output.
    transposed = isinstance(layer, layers.Conv2DTranspose)
    tensor = layer.input if transposed else layer.output
    return kernel * int(np.prod(tensor.shape[1:-1]))
