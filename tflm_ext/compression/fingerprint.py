"""Fingerprints of models, losses and optimizers, which are equal in all processes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np


def model_digest(model: Any) -> str:
    """Return the SHA-256 of the layers with their configuration and connections, and the weights.

    Names of layers are ignored: Keras numbers the names that it generates, so the same code may
    produce `dense_1` instead of `dense`.
    """
    layers = list(model._flatten_layers(include_self=True, recursive=True))
    names = {layer.name: f"layer {i}" for i, layer in enumerate(layers)}
    digest = hashlib.sha256()
    for layer in layers:
        digest.update(f"{type(layer).__module__}.{type(layer).__qualname__};".encode())
    # A model's configuration includes its layers'; custom layers may have no configuration.
    config = _config(model)
    if config is None:
        config = [_config(layer) for layer in layers]
    digest.update(json.dumps(_canonical(config, names), sort_keys=True).encode())
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _config(layer: Any) -> Any:
    try:
        return layer.get_config()
    except NotImplementedError:
        return None


def _canonical(value: Any, names: Mapping[str, str], name: bool = False) -> Any:
    """Return a configuration as JSON, with names of layers replaced by numbers.

    Args:
        names: replacement for each name of a layer.
        name: whether the value is in a place for names of layers.
    """
    if isinstance(value, Mapping):
        return {str(key): _canonical(v, names, key == "name") for key, v in value.items()}
    if isinstance(value, list | tuple):
        # ["dense", 0, 0], perhaps followed by more, is output 0 of the first call of that layer.
        reference = len(value) >= 3 and all(type(part) is int for part in value[1:3])
        return [_canonical(v, names, reference and i == 0) for i, v in enumerate(value)]
    if isinstance(value, str):
        # A wrapper of tf_keras contains the name of the layer that it copied.
        return names.get(value, re.sub(r"_\d+$", "", value)) if name else value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _canonical(value.tolist(), names)
    if callable(getattr(value, "get_config", None)):
        return [type(value).__name__, _canonical(_config(value), names)]
    return getattr(value, "__qualname__", None) or type(value).__name__


def loss_key(loss: Any) -> Any:
    """Return the name of a loss, and its settings that differ from the defaults.

    The result is the same for a name, a function and an object.
    """
    if isinstance(loss, Mapping):  # Keras keeps an object that JSON does not support
        return {key: loss_key(value) for key, value in loss.items()}
    if isinstance(loss, list | tuple):
        return [loss_key(value) for value in loss]
    if loss is None or isinstance(loss, str | bool | int | float):
        return loss
    name = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
    config = _config(loss) if hasattr(loss, "get_config") else None
    if not config:
        return name
    try:
        usual = type(loss)().get_config()
    except TypeError:  # it has no default settings
        usual = {}
    missing = object()
    own = {k: v for k, v in config.items() if usual.get(k, missing) != v and k != "name"}
    return {"name": name, **_canonical(own, {})} if own else name


def optimizer_key(optimizer: Any) -> Any:
    """Return the class and settings of an optimizer, except the learning rate of the recipe."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer is None or isinstance(optimizer, str):
        return optimizer
    config = {k: v for k, v in optimizer.get_config().items() if k not in ("learning_rate", "name")}
    return {"name": type(optimizer).__name__, **_canonical(config, {})}
