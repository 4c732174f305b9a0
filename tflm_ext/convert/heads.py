"""Layers at the head of a Keras model that only scale its inputs: Normalization, Rescaling,
BatchNormalization.

One int8 scale for all features of a raw input destroys those that vary little. The normalised
input has no such features, so these layers are lifted out of the model: the device computes them
in float32 before it rounds to int8.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.ir.affine import Affine, Layer

Array: TypeAlias = np.ndarray[Any, Any]

MOST = 1024
"""Features from which on a table of them would take too much flash: 8 bytes each."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is lifted from one input.

    Attributes:
        layers: in order.
    """

    affine: Affine
    layers: tuple[Any, ...]


def heads(model: Any) -> list[Head | None]:
    """What can be lifted from each input of a model, in the order of model.inputs.

    A layer stays in the model if anything else reads its input or its output, if it is called more
    than once, or if its numbers cannot be those of an Affine.
    """
    # A quantisation-aware model has trained the range of its own input.
    if hasattr(model, "check_exportable"):
        return [None] * len(model.inputs)
    calls = Counter(id(call.layer) for graph in _graphs(model) for call in _calls(graph))
    return [_head(model, tensor, calls) for tensor in model.inputs]


@contextmanager
def without(layers: Sequence[Any]) -> Iterator[None]:
    """Let layers return their inputs, as floats, inside; the model is as before afterwards."""
    import tensorflow as tf

    def same(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return tf.cast(inputs, tf.float32)

    same = tf.autograph.experimental.do_not_convert(same)
    before = [vars(layer).get("call") for layer in layers]
    for layer in layers:
        vars(layer)["call"] = same  # past Keras' own __setattr__, which tracks attributes
    try:
        yield
    finally:
        for layer, call in zip(layers, before, strict=True):
            if call is None:
                del vars(layer)["call"]
            else:
                vars(layer)["call"] = call


# ---------------------------------------------------------------- the graph


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a layer in a model's graph."""

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    arguments: int
    kwargs: Mapping[str, Any]

    @property
    def plain(self) -> bool:
        """Whether it has one input and one output, and nothing changes what the layer computes."""
        return (
            (len(self.inputs), len(self.outputs), self.arguments) == (1, 1, 1)
            and not self.kwargs.get("training")
            and all(self.kwargs[key] is None for key in self.kwargs if key != "training")
        )


def _own(thing: Any) -> bool:
    """Whether a class or function is that of a Keras library, rather than a user's."""
    return getattr(thing, "__module__", "").split(".")[0] in ("keras", "tf_keras")


def _graph(model: Any) -> Any:
    """Return the object that has the graph of a Functional or Sequential model; None for others."""
    graph = getattr(model, "_functional", None) or model  # the former of a Sequential of Keras 3
    known = getattr(graph, "_nodes_by_depth", None) and _own(type(model).call)
    return graph if known else None


def _graphs(model: Any) -> Iterator[Any]:
    """Yield the graphs of a model and of the models that it calls, once for each call."""
    graph = _graph(model)
    if graph is not None:
        yield graph
        for call in _calls(graph):
            yield from _graphs(call.layer)


def _calls(graph: Any) -> Iterator[_Call]:
    for nodes in graph._nodes_by_depth.values():
        yield from (_call(node) for node in nodes if not node.is_input)


def _call(node: Any) -> _Call:
    if hasattr(node, "operation"):  # Keras 3
        given, kwargs = node.arguments.args, node.arguments.kwargs
        inputs, outputs, layer = node.input_tensors, node.outputs, node.operation
    else:
        import tensorflow as tf

        given, kwargs = node.call_args, node.call_kwargs
        inputs, outputs, layer = node.keras_inputs, tf.nest.flatten(node.outputs), node.layer
    return _Call(layer, tuple(inputs), tuple(outputs), len(given), kwargs)


def _among(tensor: Any, tensors: Sequence[Any]) -> bool:
    return any(other is tensor for other in tensors)


def _chain(
    graph: Any, tensor: Any, calls: Mapping[int, int], last: bool
) -> Generator[Any, None, bool]:
    """Yield the layers through which a tensor passes one after another, as its only readers.

    Args:
        graph: of a model, or of a model in it.
        calls: the number of calls of every layer, by its id.
        last: whether the outputs of the graph are outputs of the whole model, which computes them.

    Returns:
        Whether the tensor reaches the only output of the graph.
    """
    while True:
        readers = [call for call in _calls(graph) if _among(tensor, call.inputs)]
        if _among(tensor, graph.outputs):
            return not readers and len(graph.outputs) == 1
        if len(readers) != 1 or not readers[0].plain or calls[id(readers[0].layer)] != 1:
            return False
        layer, (output,) = readers[0].layer, readers[0].outputs
        is_end = last and _among(output, graph.outputs)
        inner = _graph(layer)
        if inner is not None:
            if not (yield from _chain(inner, inner.inputs[0], calls, is_end)):
                return False
        elif is_end:
            return False
        else:
            yield layer
        tensor = output


def _head(model: Any, tensor: Any, calls: Mapping[int, int]) -> Head | None:
    """What can be lifted from one input."""
    shape, graph = tuple(tensor.shape[1:]), _graph(model)
    dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
    if graph is None or None in shape or not re.fullmatch("float32|u?int[0-9]+", dtype):
        return None
    found: Head | None = None
    chain: list[Any] = []
    mean, deviation = np.zeros(()), np.ones(())
    for layer in _chain(graph, tensor, calls, last=True):
        own = _numbers(layer, shape)
        if own is None:
            break
        with np.errstate(all="ignore"):  # Affine.of() refuses what is not finite
            mean, deviation = mean + own[0] * deviation, deviation * own[1]
        chain.append(layer)
        try:
            names = [Layer(str(each.name), type(each).__name__) for each in chain]
            affine = Affine.of(mean, deviation, shape, names)
        except ValueError:
            break
        if affine.count <= MOST:
            found = Head(affine, tuple(chain))
    return found


# ---------------------------------------------------------------- the numbers


def _numbers(layer: Any, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Return mean and deviation of a layer in float64, so that it computes (x - mean) / deviation.

    Both can be broadcast to the shape of a sample. None for other layers.
    """
    of = _KINDS.get(type(layer).__name__)
    if of is None or not _own(type(layer)) or "call" in vars(layer):
        return None
    with np.errstate(all="ignore"):
        found = of(layer, len(shape))
    if found is None:
        return None
    mean, deviation = found
    try:
        fits = np.broadcast_shapes(mean.shape, deviation.shape, shape) == shape
    except ValueError:
        fits = False
    return (mean, deviation) if fits else None


def _float64(value: Any) -> Array:
    return np.asarray(value, np.float32).astype(np.float64)


def _without_batch(values: Array, rank: int) -> Array | None:
    """Drop the axis of the batch, if there is one, along which there must be no difference."""
    if values.ndim <= rank:
        return values
    return values[0] if values.ndim == rank + 1 and len(values) == 1 else None


def _normalization(layer: Any, rank: int) -> tuple[Array, Array] | None:
    mean = _without_batch(_float64(layer.mean), rank)
    variance = _without_batch(_float64(layer.variance), rank)
    if mean is None or variance is None:
        return None
    deviation = np.maximum(np.sqrt(variance), _epsilon(layer))
    return (-mean / deviation, 1 / deviation) if layer.invert else (mean, deviation)


def _rescaling(layer: Any, rank: int) -> tuple[Array, Array] | None:
    scale = _without_batch(np.asarray(layer.scale, np.float64), rank)
    offset = _without_batch(np.asarray(layer.offset, np.float64), rank)
    if scale is None or offset is None or (scale.ndim and _channels_first(layer)):
        return None
    return -offset / scale, 1 / scale


def _batch_normalization(layer: Any, rank: int) -> tuple[Array, Array] | None:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    axes = [axis % (rank + 1) for axis in axes]
    if 0 in axes or axes != sorted(axes):
        return None

    def along(weights: Any) -> Array:
        values = _float64(weights)
        sizes = dict(zip(axes, values.shape, strict=True))
        return values.reshape([sizes.get(axis, 1) for axis in range(1, rank + 1)])

    factor = 1 / np.sqrt(along(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        factor = factor * along(layer.gamma)
    mean = along(layer.moving_mean)
    return (mean - along(layer.beta) / factor if layer.center else mean), 1 / factor


_KINDS: Mapping[str, Callable[[Any, int], tuple[Array, Array] | None]] = {
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "BatchNormalization": _batch_normalization,
}


def _keras(layer: Any) -> Any:
    return importlib.import_module(type(layer).__module__.split(".")[0])


def _epsilon(layer: Any) -> float:
    return float(_keras(layer).backend.epsilon())


def _channels_first(layer: Any) -> bool:
    return bool(_keras(layer).backend.image_data_format() == "channels_first")
