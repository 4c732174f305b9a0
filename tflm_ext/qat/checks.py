"""Errors of models that are to be trained, or cannot be."""

from __future__ import annotations

from typing import Any

from tflm_ext.errors import ConfigError, UnsupportedModelError


def check_optimizer(model: Any) -> None:
    """Refuse to train with an optimizer that holds the state of other weights.

    Raises:
        ConfigError: names the optimizer.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer is None or not optimizer.built:
        return
    known = {id(variable) for variable in optimizer._trainable_variables}
    if any(id(variable) not in known for variable in model.trainable_variables):
        raise ConfigError(
            f"{type(optimizer).__name__} holds the state of another model's weights.",
            "Pass a new one to compile(): type(optimizer).from_config(optimizer.get_config()).",
        )


def unknown_layers(model: Any) -> UnsupportedModelError:
    """Return the error about a model that does not consist of layers, or was never built."""
    return UnsupportedModelError(
        f"The layers of model {model.name!r} are unknown: it is a subclass of Model or was never "
        "built.",
        "Build it from layers: keras.Sequential([keras.Input(shape), ...]) or"
        " keras.Model(inputs, outputs).",
    )


def nothing_to_train(model: Any) -> ConfigError:
    """Return the error about a model without layers to quantise in training."""
    return ConfigError(
        f"Model {model.name!r} has no layer with weights to train in int8.",
        "Pass a model with Dense or convolution layers.",
    )
