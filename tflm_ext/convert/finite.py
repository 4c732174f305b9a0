"""Finds weights and layer outputs that are not finite; only the latter needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.remedies import described, layer_of
from tflm_ext.errors import UnsupportedModelError

Array: TypeAlias = np.ndarray[Any, Any]


def refuse_weights(weights: Iterable[tuple[str, Any]], layers: Mapping[str, str]) -> None:
    """Refuse weights that are NaN or infinite, which crash or mislead the converter.

    Args:
        weights: path, like "net/dense/kernel", and value of each.
        layers: class of every Keras layer, by name; empty if they are not known.

    Raises:
        UnsupportedModelError: names the first such layer and weight.
    """
    for path, value in weights:
        array = np.asarray(value)
        if array.dtype.kind != "f":
            continue
        wrong = int(np.count_nonzero(~np.isfinite(array)))
        if wrong:
            layer, weight = layer_of(path, layers), path.partition(":")[0].rsplit("/", 1)[-1]
            where = f"Keras layer {described(layer, layers)}, weight" if layer else "Weight"
            raise UnsupportedModelError(
                f"{where} {weight!r}: {wrong:,} of {array.size:,} values are not finite (NaN or"
                " infinite).",
                "If training diverged, train again with a smaller learning rate or use the "
                "weights of an earlier epoch; constants must be finite for int8.",
            )


def graph_constants(graph: Any) -> Iterator[tuple[str, Array]]:
    """Yield names and values of constants in a GraphDef and its functions, except scalars."""
    from tensorflow.python.framework import tensor_util

    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            # Reading an attribute that a node does not have would add it.
            if node.op == "Const" and node.attr["value"].tensor.tensor_shape.dim:
                yield node.name, tensor_util.MakeNdarray(node.attr["value"].tensor)


def find_infinite(signature: Any, samples: Iterable[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Find the first node whose result is not finite.

    Args:
        signature: a concrete function of TensorFlow.
        samples: its arguments by name, one sample each.

    Returns:
        The node's path and the number of samples for which any node does; None if there is none.
    """
    from tensorflow.python.framework import convert_to_constants

    frozen = convert_to_constants.convert_variables_to_constants_v2(signature)
    tensors = [
        tensor
        for operation in frozen.graph.get_operations()
        if operation.type not in {"Const", "Placeholder"}
        for tensor in operation.outputs
        if tensor.dtype.is_floating
    ]
    names = [tensor.name.partition(":")[0] for tensor in frozen.inputs]
    run = frozen.prune(frozen.inputs, tensors)
    first, count = len(tensors), 0
    for sample in samples:
        values = run(*(sample[name] for name in names))
        wrong = (i for i, value in enumerate(values) if not np.isfinite(value.numpy()).all())
        found = next(wrong, len(tensors))
        count += found < len(tensors)
        first = min(first, found)
    return (tensors[first].op.name, count) if count else None


def infinite_refusal(
    path: str, count: int, of: int, layers: Mapping[str, str]
) -> UnsupportedModelError:
    """Return the error about a layer whose output is not finite.

    Args:
        path: of the node.
        count: number of samples for which it happens.
        of: number of samples.
        layers: class of every Keras layer, by name; empty if they are not known.
    """
    layer = layer_of(path, layers)
    where = f"Keras layer {described(layer, layers)}" if layer else "The model"
    return UnsupportedModelError(
        f"{where} returns values that are not finite (NaN or infinite) for {count:,} of"
        f" {of:,} samples of calibration_data.",
        "Look for a division by zero, a logarithm, an exponential or very large weights, and clip "
        "the input of that layer: int8 needs finite ranges.",
    )
