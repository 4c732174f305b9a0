"""quantize_aware() and strip() for tf_keras, on tensorflow-model-optimization."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.qat.checks import nothing_to_train, unknown_layers

_CLUSTERS = 256  # int8 does not have more distinct values


def quantize_aware(model: Any, *, preserve: str | None) -> Any:
    """Quantise with quantize_model() or, to preserve something, with its collaborative schemes."""
    import tf_keras

    if is_quantized(model):
        raise ConfigError(
            f"Model {model.name!r} is already quantisation-aware.",
            "Train it, or call tflm_ext.strip() first.",
        )
    if not model.built:
        raise unknown_layers(model)
    kernels = [weight.numpy() for weight in model.weights if "kernel" in weight.name]
    kept = _found(kernels) if preserve == "auto" else preserve
    if not kernels:
        raise nothing_to_train(model)
    with model.distribute_strategy.scope():
        try:
            # Annotating a model removes its optimizer, so do not annotate the user's model.
            copy = tf_keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
            aware = _quantized(copy, kept, zeros=any((kernel == 0).any() for kernel in kernels))
            aware = _with_output_names(aware, model)
        except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise UnsupportedModelError(
                f"tensorflow-model-optimization cannot quantise model {model.name!r}: {reason}.",
                "Replace the layer it names, or build the model with Keras 3.",
            ) from error
        if getattr(model, "_is_compiled", False):
            aware.compile_from_config(model.get_compile_config())
    if kept is not None and (lost := _unkept(aware)):
        warnings.warn(
            f"Training will change the {kept} of {', '.join(lost)}: tensorflow-model-optimization "
            "does not preserve them there. Build the model with Keras 3 to preserve all of them.",
            stacklevel=3,
        )
    return aware


def _with_output_names(aware: Any, model: Any) -> Any:
    """Restore the names of output layers, which identify losses, metrics and targets."""
    import tf_keras

    if isinstance(aware, tf_keras.Sequential):
        return aware
    for new, old in zip(aware.outputs, model.outputs, strict=True):
        new.node.layer._name = old.node.layer.name
    return tf_keras.Model(aware.inputs, aware.outputs, name=aware.name)


def _unkept(aware: Any) -> list[str]:
    """Return layers whose zeros or clusters tensorflow-model-optimization does not preserve.

    It loses them if it changes how a layer rounds, for example before a Concatenate.
    """
    names = []
    for layer in filter(_wraps, aware.layers):
        quantizer = getattr(layer.quantize_config, "weight_quantizer", None)
        kernels = [w.numpy() for w in layer.weights if "kernel" in w.name]
        if "Preserve" not in type(quantizer).__name__ and any(_found([k]) for k in kernels):
            names.append(layer.layer.name)
    return names


def _quantized(copy: Any, kept: str | None, *, zeros: bool) -> Any:
    from tensorflow_model_optimization.python.core.api.experimental import combine
    from tensorflow_model_optimization.python.core.quantization.keras import quantize

    annotated = quantize.quantize_annotate_model(copy)
    match kept:
        case "clusters":
            scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=zeros)
            return quantize.quantize_apply(annotated, scheme)
        case "sparsity":
            scheme = combine.Default8BitPrunePreserveQuantizeScheme()
            return quantize.quantize_apply(annotated, scheme)
        case _:
            return quantize.quantize_apply(annotated)


def _found(kernels: list[Any]) -> str | None:
    """Return what most weights of a model have: clusters, zeros, or nothing to preserve."""
    size = sum(kernel.size for kernel in kernels)
    distinct = [len(np.unique(kernel[kernel != 0])) for kernel in kernels]
    clustered = sum(
        kernel.size
        for kernel, count in zip(kernels, distinct, strict=True)
        if 0 < count <= _CLUSTERS and count < np.count_nonzero(kernel)
    )
    if 2 * clustered > size:
        return "clusters"
    return "sparsity" if any(0 < np.count_nonzero(k) < k.size for k in kernels) else None


def is_quantized(model: Any) -> bool:
    """Whether a model has layers of tensorflow-model-optimization that quantise."""
    return any(_wraps(layer) or _rounds(layer) for layer in model.layers)


def _class_names(layer: Any) -> set[str]:
    return {base.__name__ for base in type(layer).__mro__}


def _wraps(layer: Any) -> bool:
    return "QuantizeWrapper" in _class_names(layer)


def _rounds(layer: Any) -> bool:
    return "QuantizeLayer" in _class_names(layer)


def strip(model: Any) -> Any:
    """Return the layers inside the wrappers, connected like the wrappers, with their weights."""
    config = model.get_config()
    layers = {layer.name: layer for layer in model.layers}
    renamed: dict[str, str] = {}
    entries = []
    for entry in config["layers"]:
        layer = layers.get(entry["config"]["name"])
        if layer is not None and _rounds(layer):
            # A Sequential has no nodes: its remaining layers are connected implicitly.
            for node in entry.get("inbound_nodes", ()):
                renamed[layer.name] = node[0][0]
            continue
        if layer is None or not _wraps(layer):
            entries.append(entry)
            continue
        if layer.name != layer.layer.name:
            renamed[layer.name] = layer.layer.name
        inner = entry["config"]["layer"]
        inner = {**inner, "config": _without_rounding(inner["config"])}
        if "inbound_nodes" in entry:
            inner |= {"name": layer.layer.name, "inbound_nodes": entry["inbound_nodes"]}
        entries.append(inner)
    with model.distribute_strategy.scope():
        plain = type(model).from_config(_renamed({**config, "layers": entries}, renamed))
        if not plain.built:
            plain.build(model.input_shape)
        sources = {renamed.get(name, name): layer for name, layer in layers.items()}
        for layer in plain.layers:
            source = sources.get(layer.name)
            if source is not None and layer.weights:
                values = _values(source)
                layer.set_weights([values[_short(weight)] for weight in layer.weights])
        if getattr(model, "_is_compiled", False):
            plain.compile_from_config(model.get_compile_config())
    return plain


def _without_rounding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's configuration with its own activation."""
    activation = config.get("activation")
    if isinstance(activation, Mapping) and activation["class_name"] == "QuantizeAwareActivation":
        activation = activation["config"]["activation"]
        # A layer that is directly followed by an activation layer has none.
        return {**config, "activation": activation if isinstance(activation, str) else "linear"}
    return dict(config)


def _renamed(config: Any, names: Mapping[str, str]) -> Any:
    """Return a configuration whose connections use the names of the remaining layers."""
    if isinstance(config, Mapping):
        return {key: _renamed(value, names) for key, value in config.items()}
    if isinstance(config, list | tuple):
        name, *numbers = config[:3] or [None]
        if isinstance(name, str) and [type(number) for number in numbers] == [int, int]:
            while name in names:
                name = names[name]
            return [name, *(_renamed(value, names) for value in config[1:])]
        return [_renamed(value, names) for value in config]
    return config


def _short(weight: Any) -> str:
    """Return the last part of a variable's name: "kernel" for "dense_1/kernel:0"."""
    return str(weight.name).split("/")[-1].partition(":")[0]


def _values(layer: Any) -> dict[str, Any]:
    """Return the weights of a layer, and of the layer that it wraps, by their short names."""
    return {_short(weight): weight.numpy() for weight in layer.weights}
