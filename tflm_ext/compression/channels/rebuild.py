"""Rebuilds a model, completely or without some of its channels."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional

from tflm_ext.compression.channels.graph import layers_of
from tflm_ext.compression.channels.groups import ChannelGraph, Kept, Role, Use
from tflm_ext.compression.channels.rules import size_after
from tflm_ext.errors import UnsupportedModelError

_DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


def rebuild(model: Any, graph: ChannelGraph, kept: Kept) -> Any:
    """Build a new model with the same layers and names, and only the channels that are kept.

    It is not compiled. The old model is not changed; the two share nothing.

    Raises:
        UnsupportedModelError: a custom layer cannot be rebuilt from its get_config().
    """
    uses = {id(use.operation): use for use in graph.uses}
    made: dict[int, Any] = {}

    def renewed(operation: Any) -> Any:
        if id(operation) not in made:
            made[id(operation)] = (
                _model(operation, renewed)
                if layers_of(operation) is not None
                else _operation(operation, uses.get(id(operation)), kept)
            )
        return made[id(operation)]

    new = renewed(model)
    for operation in _leaves(model):
        if getattr(operation, "weights", ()):
            weights = sliced(operation, uses.get(id(operation)), kept)
            made[id(operation)].set_weights(weights)
    return new


def sliced(layer: Any, use: Use | None, kept: Kept) -> list[Any]:
    """Return the weights of a layer, with the channels that are kept."""
    weights = [np.asarray(weight) for weight in layer.weights]
    for piece in use.effect.slices if use else ():
        chosen = np.compress(kept[piece.channels], weights[piece.weight], axis=piece.axis)
        weights[piece.weight] = chosen
    return weights


def masked(use: Use, kept: Kept) -> list[Any] | None:
    """Return a layer's weights with removed channels set to zero; None if nothing remains."""
    consumed = [p for p in use.effect.slices if p.role is Role.CONSUMES]
    if all(kept[piece.channels].all() for piece in consumed):
        return None
    weights = [np.asarray(weight).copy() for weight in use.operation.weights]
    for piece in consumed:
        np.moveaxis(weights[piece.weight], piece.axis, 0)[~kept[piece.channels]] = 0
    return weights


def _leaves(model: Any) -> list[Any]:
    """Return all layers, including those of nested models, each once."""
    function = layers_of(model)
    if function is None:
        return [model]
    return [leaf for operation in function.operations for leaf in _leaves(operation)]


def _model(model: Any, renewed: Callable[[Any], Any]) -> Any:
    if isinstance(model, keras.Sequential):
        entry = model.inputs[0]._keras_history.operation
        kind = _class(model, keras.Sequential, keras.Sequential)
        new = kind([*map(renewed, (entry, *model.layers))], name=model.name)
    else:
        inputs = keras.tree.map_structure(
            lambda tensor: renewed(tensor._keras_history.operation).output, model.input
        )
        outputs = model._run_through_graph(inputs, operation_fn=renewed)
        new = _class(model, Functional, keras.Model)(inputs, outputs, name=model.name)
    if not model.trainable:
        new.trainable = False
    return new


def _class(model: Any, base: Any, otherwise: Any) -> Any:
    """Return the model's own class if it is constructed like its base class."""
    own, wanted = (list(inspect.signature(c.__init__).parameters) for c in (type(model), base))
    return type(model) if own == wanted else otherwise


def _operation(operation: Any, use: Use | None, kept: Kept) -> Any:
    if not isinstance(operation, keras.layers.Layer):
        # An operation of keras.ops has settings, but no weights and no config.
        new = copy.copy(operation)
        new._inbound_nodes, new._outbound_nodes = [], []
        return new
    if type(operation) is keras.layers.Lambda:
        return _lambda(operation)
    try:
        config = operation.get_config()
        if isinstance(getattr(operation, "activation", None), FunctionType):
            config["activation"] = operation.activation
        for setting, channels in use.effect.sizes.items() if use else ():
            count = int(kept[channels].sum())
            config[setting] = size_after(setting, config[setting], count)
        if use and isinstance(operation, _DROPOUTS):
            # Fewer channels need less noise: Han et al., 2015, "Learning both Weights and
            # Connections", section 3.2.
            config["rate"] *= float(kept[use.effect.output].mean())
        return type(operation).from_config(config)
    except (NotImplementedError, TypeError, ValueError) as error:
        said = str(error).rpartition("Exception encountered:")[2].strip().splitlines()
        raise UnsupportedModelError(
            f"Layer {operation.name!r} ({type(operation).__name__}) cannot be rebuilt:"
            f" {said[0] if said else type(error).__name__}",
            "Add a get_config() to its class that returns all arguments of its __init__(), and"
            " register your own functions with keras.saving.register_keras_serializable().",
        ) from error


def _lambda(layer: Any) -> Any:
    """Rebuild a Lambda layer with its live function, without reading code from a config."""
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        dtype=layer.dtype_policy,
        trainable=layer.trainable,
    )
