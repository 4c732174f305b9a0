"""Configurations of models, as the files of Keras hold them."""

from __future__ import annotations

from typing import Any

# Code that writes the marker, as Keras pickles a lambda: it is never read, so it may be anything.
CODE = "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAZAFTACkCTukBAAAAqQByAgAAAA=="


def layer(kind: str, name: str = "trap", module: str | None = "keras.layers", **config: Any) -> Any:
    """The configuration of a layer, with nodes as tf_keras writes them."""
    found = {"class_name": kind, "config": {"name": name, **config}, "name": name}
    if module is not None:
        found |= {"module": module, "registered_name": None}
    return {**found, "inbound_nodes": config.pop("nodes", [[["i", 0, 0, {}]]])}


def model(*layers: Any, **more: Any) -> dict[str, Any]:
    """A functional model of an input and other layers."""
    first = {
        "class_name": "InputLayer",
        "module": "keras.layers",
        "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"},
        "registered_name": None,
        "name": "i",
        "inbound_nodes": [],
    }
    config = {
        "name": "net",
        "layers": [first, *layers],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["i", 0, 0]],
    }
    return {
        "module": "keras.src.engine.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": config,
        **more,
    }


def dense(**config: Any) -> Any:
    return layer("Dense", "dense", **{"units": 3, **config})
