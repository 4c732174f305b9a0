"""Checks that Keras 3 loaded the weights of a file into the right layers.

A file stores weights in the order of the model's layers, which depends on the order of its outputs.
Keras 3 loads an OrderedDict as a dict and sorts its keys, and so fills the layers in a wrong order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tflm_ext.errors import UnsupportedModelError


def refuse_mixed_weights(config: Any, model: Any, kind: str, name: str) -> None:
    """Refuse a model if Keras 3 has mixed up its weights.

    Args:
        config: the model's configuration in the file.
        model: the model that Keras loaded.
        kind: "keras" or "h5".
        name: of the file.

    Raises:
        UnsupportedModelError: layers have the weights of other layers.
    """
    mixed = sorted(set(_mixed(config, model, by_class=kind == "keras")))
    if mixed:
        layers = ", ".join(map(repr, mixed[:8]))
        raise UnsupportedModelError(
            f"Keras mixes up the weights of layers {layers} when it loads {name}, whose"
            " outputs were an OrderedDict with unsorted keys.",
            "Pass the live model to export(), or build it with a list of outputs and save it "
            "again.",
        )


def _mixed(config: Any, model: Any, by_class: bool) -> Iterator[str]:
    """Yield the names of layers that have weights, and a different order from the file."""
    written = _layers(config)
    loaded = {layer.name: layer for layer in getattr(model, "layers", ())}
    if written.keys() != loaded.keys():
        return
    with_weights = [name for name, layer in loaded.items() if layer.weights]
    classes = {name: type(layer) if by_class else None for name, layer in loaded.items()}
    for kind in dict.fromkeys(classes.values()):
        now = [name for name in with_weights if classes[name] is kind]
        before = [name for name in written if name in now]
        yield from (name for name, other in zip(before, now, strict=True) if name != other)
    for name, layer in loaded.items():
        yield from _mixed(written[name], layer, by_class)


def _layers(config: Any) -> dict[str, Any]:
    """Return the configurations of a model's layers by name, in the order of the file."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    found = {}
    for layer in layers if isinstance(layers, list) else ():
        own = layer.get("config") if isinstance(layer, Mapping) else None
        if isinstance(own, Mapping) and "name" in own:
            found[str(own["name"])] = layer
    return found
