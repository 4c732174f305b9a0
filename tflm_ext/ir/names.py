"""The Keras layer in a tensor's name."""

from __future__ import annotations

_MAX_LAYER = 200


def keras_layer(tensor_name: str) -> str | None:
    """The Keras layer that a converter's tensor name speaks of, None if it names none.

    The converter writes "model/layer/Op" paths and joins those of fused operators with ";".
    Names of graphs that were frozen end in ":0".

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
    # Names come from the file, and messages show layers as they are: in one readable line.
    layer = parts[-2] if len(parts) >= 2 else None
    return layer if layer and layer.isprintable() and len(layer) <= _MAX_LAYER else None
