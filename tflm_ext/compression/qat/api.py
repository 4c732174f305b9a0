"""quantize_aware() and strip() for models of either Keras."""

from __future__ import annotations

from typing import Any

from tflm_ext.compression.checks import check_order, check_weights
from tflm_ext.compression.qat import tf_keras
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of
from tflm_ext.qat import model as keras3


def quantize_aware(model: Any, *, preserve: str | None = "auto") -> Any:
    """Make a model that trains with int8 rounding, for networks that lose accuracy as int8.

    Use it if the int8 export is less accurate than the float model: for small or deep networks,
    depthwise convolutions, and channels with very unequal ranges. It reduces neither weights nor
    time compared with plain int8; use tflm_ext.prune_channels() for that. Train the result for a
    few epochs with a small learning rate and export it without calibration_data, which it does not
    need:

        aware = tflm_ext.quantize_aware(model)
        aware.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
        aware.fit(x_train, y_train, epochs=3)
        tflm_ext.export(aware, "digits")

    Every tensor for which TensorFlow Lite has a separate scale gets a range, which is a moving
    average over the batches. Weights have one scale per channel in convolutions and one per tensor
    in Dense. BatchNormalization is folded into the layer before it, as in Jacob et al., 2018,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference".
    The .tflite has exactly these scales.

    A tf_keras model is handled by tensorflow-model-optimization, which works in a similar way.

    Args:
        model: a keras.Model or tf_keras.Model with known inputs. It is not changed. If it is
            compiled, the new model gets its loss and metrics, with a new optimizer.
        preserve: what training must preserve. "sparsity": weights that are zero stay zero;
            "clusters": weights that are equal stay equal, and zero if they are; None: nothing;
            "auto" examines each kernel and preserves what it finds there.

    Returns:
        A model of the same Keras version with the same inputs and outputs. To load its .keras file,
        first run `from tflm_ext import quantize_aware`.

    Raises:
        ConfigError: not a model, already quantisation-aware, or with a custom training loop.
        UnsupportedModelError: a layer has no quantisation-aware form;
            docs/how-to/quantize-aware.md lists those that have one.
    """
    if preserve is not None:
        one_of("preserve", preserve, ("auto", "sparsity", "clusters"))
    if library(model) is not None:
        check_order(model)
        check_weights(model, f"model {model.name!r}")
    match library(model):
        case "keras":
            return keras3.quantize_aware(model, preserve=preserve)
        case "tf_keras":
            return tf_keras.quantize_aware(model, preserve=preserve)
    raise _no_model(model)


def strip(model: Any) -> Any:
    """Return the plain model inside a quantisation-aware one, with the trained weights.

    For a Keras 3 model, the architecture is the original one, layer for layer. For a tf_keras
    model, layers that tensorflow-model-optimization split stay split. The model that you pass is
    not changed.

    Args:
        model: the result of quantize_aware(), trained or not.

    Raises:
        ConfigError: not a quantisation-aware model.
    """
    match library(model):
        case "keras":
            if isinstance(model, keras3.QuantizedModel):
                return keras3.strip(model)
        case "tf_keras":
            if tf_keras.is_quantized(model):
                return tf_keras.strip(model)
        case None:
            raise _no_model(model)
    raise ConfigError(
        f"Model {model.name!r} is not quantisation-aware: there is nothing to strip.",
        "Pass the model that tflm_ext.quantize_aware() returned.",
    )


def _no_model(model: Any) -> ConfigError:
    return ConfigError(
        f"A {type(model).__name__} is not a model.", "Pass a keras.Model or a tf_keras.Model."
    )
