"""quantize_aware() and strip() for models of either Keras."""

from __future__ import annotations

from typing import Any

from tflm_ext.compression.checks import check_order, check_weights
from tflm_ext.compression.qat import model as keras3
from tflm_ext.compression.qat import tf_keras
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError


def quantize_aware(model: Any, *, preserve: str | None = "auto") -> Any:
    """Make a model that is trained with the rounding of int8, for nets that plain int8 hurts.

    Use it when the int8 export loses accuracy against the float model: small or deep nets,
    depthwise convolutions, channels of very unequal range. It makes neither weights nor time
    smaller than plain int8 does: tflm_ext.prune_channels() does that. Train it for a few epochs
    with a small learning rate and export it without calibration_data, which it does not need:

        aware = tflm_ext.quantize_aware(model)
        aware.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
        aware.fit(x_train, y_train, epochs=3)
        tflm_ext.export(aware, "digits")

    Every tensor that TensorFlow Lite rounds with a scale of its own has a range here, the moving
    average over the batches; weights have one scale per channel in convolutions and one per tensor
    in Dense; BatchNormalization is folded into the layer before it, as by Jacob et al., 2018,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference".
    The .tflite has exactly these scales.

    A tf_keras model goes through tensorflow-model-optimization, which does the same in its way.

    Args:
        model: a keras.Model or tf_keras.Model with known inputs. It stays as it is. A compiled
            one gives its loss and metrics to the new model, with a new optimiser.
        preserve: what training must not undo. "sparsity": weights that are zero stay zero;
            "clusters": weights that are equal stay equal, and zero if they are; None: nothing;
            "auto" looks at each kernel and takes what it finds there.

    Returns:
        A model of the same Keras with the same inputs and outputs. Its .keras file can be loaded
        once `from tflm_ext import quantize_aware` was executed.

    Raises:
        ConfigError: no model, quantisation-aware already, or with a training loop of its own.
        UnsupportedModelError: a layer that has no quantisation-aware form; see
            docs/how-to/quantize-aware.md for those that have.
    """
    if preserve not in {"auto", "sparsity", "clusters", None}:
        raise ConfigError(
            f"preserve={preserve!r} is not known.",
            "Take 'auto', 'sparsity', 'clusters' or None.",
        )
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
    """The plain model behind a quantisation-aware one, with the weights as trained.

    Of a Keras 3 model, the architecture is the original one, layer for layer. Of a tf_keras model,
    layers that tensorflow-model-optimization had split stay split. The model that is given stays
    as it is.

    Args:
        model: what quantize_aware() made, trained or not.

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
        "Give the model that tflm_ext.quantize_aware() returned.",
    )


def _no_model(model: Any) -> ConfigError:
    return ConfigError(
        f"A {type(model).__name__} is no model.", "Give a keras.Model or a tf_keras.Model."
    )
