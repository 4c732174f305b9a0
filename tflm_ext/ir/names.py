"""Finds Keras layers and the users' names of inputs and outputs in names of tensors."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_LAYER = 200


def keras_layer(tensor_name: str) -> str | None:
    """Return the Keras layer that a tensor's name contains, None if there is none.

    The converter writes paths like "model/layer/Op", and joins those of fused operators with ";".
    Names in frozen graphs end in ":0".

    Example:
        >>> keras_layer("functional_1/conv2d_1/Relu;functional_1/conv2d_1/BiasAdd")
        'conv2d_1'
        >>> keras_layer("sequential/dense/MatMul:0")
        'dense'
        >>> keras_layer("Identity") is None
        True
    """
    parts = tensor_name.split(";", 1)[0].split(":", 1)[0].split("/")
    parts = [p for p in parts if p and not p.startswith("StatefulPartitionedCall")]
    # Names come from the file. Messages print them unescaped, so accept only short, printable ones.
    layer = parts[-2] if len(parts) >= 2 else None
    return layer if layer and layer.isprintable() and len(layer) <= _MAX_LAYER else None


def port_name(tensor_name: str) -> str:
    """Return the name of an input or output that its tensor's name contains, "" if there is none.

    Example:
        >>> port_name("serving_default_image:0"), port_name("net/species/Softmax")
        ('image', 'species')
        >>> port_name("StatefulPartitionedCall_1:0")
        ''
    """
    name = tensor_name.split(";", 1)[0].split(":", 1)[0].removeprefix("serving_default_")
    name = keras_layer(name) or name.rpartition("/")[2]
    return "" if name.startswith(("StatefulPartitionedCall", "PartitionedCall")) else name


def unlike(names: Sequence[str]) -> tuple[str, ...]:
    """Return names, "" for those that occur more than once."""
    return tuple(name if names.count(name) == 1 else "" for name in names)
