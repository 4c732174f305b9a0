"""Traces a Keras model to a SavedModel with batch size 1.

Runs where TensorFlow is already loaded: in the user's process for a live model, in the converter's
child for a file. It writes a SavedModel, because only there does the converter fuse tf_keras' LSTM.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tflm_ext.convert.endpoint import SIGNATURE, Endpoint
from tflm_ext.convert.finite import graph_constants, refuse_weights
from tflm_ext.convert.heads import heads, without
from tflm_ext.convert.order import (
    OpenInput,
    confusions,
    input_order,
    input_structure,
    library,
    open_inputs,
    output_names,
    tree,
)
from tflm_ext.convert.policies import described, in_float32, other_policies
from tflm_ext.convert.remedies import loop_refusal
from tflm_ext.convert.widened import narrowed, widened, without_casts
from tflm_ext.document import to_json
from tflm_ext.errors import ConfigError, TflmExtError, UnsupportedModelError
from tflm_ext.ir.affine import Affine

NAMES = "keras.json"

_Call: TypeAlias = Callable[[Sequence[Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scopes:
    """Relation between names of graph nodes and Keras layers.

    Attributes:
        layers: names of the layers and of the model; empty if they are not known.
        numbered: whether Keras opens the scope of a layer twice, as Keras 3 does. TensorFlow then
            names the second scope "dense_1" for layer "dense", and "dense_1_2" for "dense_1".
    """

    layers: frozenset[str] = frozenset()
    numbered: bool = False

    def path(self, path: str) -> str:
        """Return a node's path with the layers' own names, the innermost just before the node.

        Example:
            >>> Scopes(frozenset({"net", "dense"}), numbered=True).path("net_1/dense_1/Gelu/mul")
            'net/dense/Gelu_mul'
        """
        names = [re.sub(r"_\d+$", "", p) if self.numbered else p for p in path.split("/")]
        known = [i for i, name in enumerate(names[:-1]) if name in self.layers]
        if not known:
            return path
        parts = [
            n if i in known else p
            for i, (n, p) in enumerate(zip(names, path.split("/"), strict=True))
        ]
        end = known[-1] + 1
        return "/".join([*parts[:end], "_".join(parts[end:])])


def trace(model: Any, folder: Path, *, lift: bool = True) -> None:
    """Save the graph of a Keras model for one sample.

    The signature's inputs are x000, x001, ... and its outputs y000, y001, ... in the model's own
    order. keras.json, next to the graph, has the user's names. The model is not changed: its layers
    are not tracked, only the variables that the graph reads.

    Args:
        model: a built keras.Model or tf_keras.Model with known inputs.
        folder: folder for the SavedModel.
        lift: whether to leave out what heads() finds; keras.json then has its numbers, and the
            graph takes what these layers would compute.

    Raises:
        ConfigError: Keras 3 runs on a backend other than TensorFlow.
        UnsupportedModelError: the model's inputs are unknown or have sizes that are not fixed, a
            layer has a loop, or a weight is not finite.
    """
    numbered = library(model) == "keras"
    if numbered:
        import keras

        if keras.config.backend() != "tensorflow":
            raise ConfigError(
                f"Keras runs on {keras.config.backend()}, but the converter supports TensorFlow "
                "only.",
                "Save the model with model.save('model.keras'), and pass that path.",
            )
    # A quantisation-aware model of tflm_ext checks whether it was trained.
    getattr(model, "check_exportable", lambda: None)()
    try:
        tensors = list(model.inputs or ())
    except (AttributeError, ValueError):
        tensors = []
    if not tensors:
        raise UnsupportedModelError(
            f"The inputs of model {model.name!r} are unknown: it is a subclass of Model or was "
            "never built.",
            "Define its inputs: x = keras.Input(shape); model = keras.Model(x, model(x)).",
        )
    ports, nest, structure = open_inputs(model), tree(model), input_structure(model)

    def call(samples: Sequence[Any]) -> dict[str, Any]:
        with _own_errors(model):
            result = model(nest.pack_sequence_as(structure, samples), training=False)
        return dict(zip(output_names(model, result), nest.flatten(result), strict=True))

    layers = {
        layer.name: type(layer).__name__ for layer in model._flatten_layers(include_self=False)
    }
    weights = ((getattr(w, "path", w.name), w.numpy()) for w in model.weights)
    refuse_weights(weights, layers)
    policies = other_policies(model)
    lifted = heads(model) if lift else [None] * len(ports)
    about = {
        "layers": layers,
        "order": input_order(model),
        "masks": [
            layer.name
            for layer in model._flatten_layers(include_self=False)
            if type(layer).__name__ == "Masking" or getattr(layer, "mask_zero", False)
        ],
        "warnings": [*confusions(model), *described(policies)],
        "lifted": [head and to_json(Affine, head.affine) for head in lifted],
    }
    scopes = Scopes(frozenset({*layers, model.name}), numbered)
    with in_float32(model), without([layer for head in lifted if head for layer in head.layers]):
        _save(call, ports, about, folder, scopes=scopes)


@contextmanager
def _own_errors(model: Any) -> Iterator[None]:
    """Report any exception of a model's own code as an error of the model."""
    try:
        yield
    except TflmExtError:
        raise
    except Exception as error:
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error.args[0] if error.args else ""))
        said = " ".join(text.split())[:200]
        raise UnsupportedModelError(
            f"Model {model.name!r} cannot be called: {type(error).__name__}: {said}",
            "Call it on one sample, as in model(x[:1], training=False), and fix the error.",
        ) from error


def narrow(source: Path, folder: Path) -> Endpoint:
    """Save the graph of a SavedModel's signature for one sample, like trace().

    Returns:
        The endpoint that was saved.

    Raises:
        UnsupportedModelError: the model has no signature, a size that is not fixed, a loop, or a
            weight that is not finite.
    """
    endpoint = Endpoint.load(source)
    for port in endpoint.inputs:
        if port.shape[:1] and port.shape[0] not in {None, 1}:
            raise UnsupportedModelError(
                f"Input {port.name!r} of the SavedModel has the batch size {port.shape[0]}, and "
                "its graph accepts no other.",
                f"Save it with a free batch, {(None, *port.shape[1:])}, or pass the Keras model.",
            )
    variables = endpoint.signature.graph.variables
    refuse_weights(((variable.name, variable.numpy()) for variable in variables), {})

    def call(samples: Sequence[Any]) -> dict[str, Any]:
        names = [port.name for port in endpoint.inputs]
        return endpoint.call(dict(zip(names, samples, strict=True)))

    about = {
        "layers": {},
        "order": endpoint.order,
        "masks": [],
        "warnings": endpoint.warnings,
        "lifted": [None] * len(endpoint.inputs),
    }
    _save(call, endpoint.inputs, about, folder, owner=endpoint.loaded)
    return endpoint


def _save(
    call: _Call,
    inputs: Sequence[OpenInput],
    about: Mapping[str, Any],
    folder: Path,
    *,
    scopes: Scopes = Scopes(),
    owner: Any = None,
) -> None:
    """Trace a function of a list of samples, and write it with its names.

    Args:
        call: maps a list of tensors to tensors by name, in order.
        inputs: its inputs.
        about: classes of the layers by name, what is known about the order, and warnings.
        folder: folder for the SavedModel.
        scopes: relation between names of nodes and layers.
        owner: keeps the variables that the function reads alive.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    with _quiet():
        traced = _traced(call, inputs)
        module = tf.Module()
        module.owner = owner
        module.read = list(traced.concrete.graph.variables)
        # Gradients name nodes in ways that _restore_layer_names() does not follow.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(folder), {SIGNATURE: traced.concrete}, options)
    file = folder / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    (graph,) = model.meta_graphs
    for body in graph.graph_def.library.function:
        without_casts(body, [f"x{i:03}" for i, t in enumerate(traced.integers) if t])
        _restore_layer_names(body, scopes)
    names = [port.name for port in inputs]
    labels = [_label(scopes.path(producer), name) for name, producer in traced.producers.items()]
    _name_ports(graph, names, labels)
    _refuse_loops(graph.graph_def.library.function, about["layers"])
    refuse_weights(graph_constants(graph.graph_def), about["layers"])
    file.write_bytes(model.SerializeToString())
    about = {
        **about,
        "inputs": names,
        "keras_names": [port.keras_name for port in inputs],
        "paths": [port.path for port in inputs],
        "outputs": list(traced.producers),
        "integers": [dtype and dtype.name for dtype in traced.integers],
    }
    (folder / NAMES).write_text(json.dumps(about), encoding="utf-8")


@dataclass(frozen=True)
class _Traced:
    """The graph of a function for one sample.

    Attributes:
        concrete: TensorFlow's function; its inputs are x000, x001, ..., its outputs y000, ...
        producers: by output, the node that computes it.
        integers: for each input, the type of the integers that it takes as floats; None for others.
    """

    concrete: Any
    producers: Mapping[str, str]
    integers: Sequence[Any]


def _traced(call: _Call, inputs: Sequence[OpenInput]) -> _Traced:
    """Trace a function of tensors; integers that only become floats are floats in the graph."""
    import tensorflow as tf

    def trace(call: _Call, dtypes: Sequence[Any], integers: Sequence[Any]) -> _Traced:
        producers: dict[str, str] = {}

        def function(*samples: Any) -> dict[str, Any]:
            outputs = call(samples)
            producers.update({name: output.op.name for name, output in outputs.items()})
            return {f"y{i:03}": y for i, y in enumerate(outputs.values())}

        specs = [
            tf.TensorSpec(_fixed(port.name, port.shape), dtype, name=f"x{i:03}")
            for i, (port, dtype) in enumerate(zip(inputs, dtypes, strict=True))
        ]
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        return _Traced(concrete, producers, integers)

    dtypes = [tf.as_dtype(port.dtype) for port in inputs]
    found = trace(call, dtypes, [None] * len(dtypes))
    wide = widened(found.concrete.graph)[: len(dtypes)]
    if not any(wide):
        return found
    integers = [dtype if w else None for dtype, w in zip(dtypes, wide, strict=True)]
    floats = [tf.float32 if w else dtype for dtype, w in zip(dtypes, wide, strict=True)]
    return trace(narrowed(call, integers), floats, integers)


def _fixed(name: str, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return the shape with batch size 1."""
    sizes = [size for size in shape[1:] if size is not None]
    if not shape or len(sizes) != len(shape) - 1:
        raise UnsupportedModelError(
            f"Input {name!r} has the shape {shape}: every size except the batch must be fixed.",
            "Build the model with a fixed shape, like keras.Input((96, 96, 3)): a"
            " microcontroller's memory is planned before it runs.",
        )
    return (1, *(int(size) for size in sizes))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence TensorFlow's messages about assets that were written."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def _restore_layer_names(function: Any, scopes: Scopes) -> None:
    """Rename the nodes of a function after their Keras layers, for messages."""
    new = _unique({n.name: scopes.path(n.name) for n in function.node_def})
    for node in function.node_def:
        node.name = new[node.name]
        node.input[:] = [_renamed(entry, new) for entry in node.input]
        if "_class" in node.attr:
            where = node.attr["_class"].list
            where.s[:] = [
                b"loc:@" + new.get(name, name).encode()
                for name in (entry.decode().removeprefix("loc:@") for entry in where.s)
            ]
    for mapping in (function.ret, function.control_ret):
        for key, entry in list(mapping.items()):
            mapping[key] = _renamed(entry, new)


def _name_ports(graph: Any, inputs: Sequence[str], producers: Sequence[str]) -> None:
    """Give the input and output tensors of the .tflite meaningful names.

    The converter names an input after its placeholder, and an output after the node that the
    signature refers to; otherwise all outputs would be called "StatefulPartitionedCall".
    """
    from tensorflow.core.framework.node_def_pb2 import NodeDef

    signature = graph.signature_def[SIGNATURE]
    nodes = graph.graph_def.node
    taken = {node.name for node in nodes}

    def free(name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_./]", "_", name).lstrip("_/") or "tensor"
        numbered = (f"{name}_{i}" for i in itertools.count(1))
        name = name if name not in taken else next(n for n in numbered if n not in taken)
        taken.add(name)
        return name

    new = {
        signature.inputs[key].name.partition(":")[0]: free(name)
        for key, name in zip(sorted(signature.inputs), inputs, strict=True)
    }
    for node in nodes:
        node.name = new.get(node.name, node.name)
        node.input[:] = [_renamed(entry, new) for entry in node.input]
    for tensor in signature.inputs.values():
        tensor.name = _renamed(tensor.name, new)
    for key, producer in zip(sorted(signature.outputs), producers, strict=True):
        tensor = signature.outputs[key]
        identity = NodeDef(name=free(producer), op="Identity", input=[tensor.name])
        identity.attr["T"].type = tensor.dtype
        nodes.append(identity)
        tensor.name = f"{identity.name}:0"


def _label(producer: str, name: str) -> str:
    """Return a node's path that includes the user's name of its output.

    Example:
        >>> _label("net/dense/BiasAdd", "speed"), _label("net/speed/BiasAdd", "speed")
        ('net/dense/speed', 'net/speed/BiasAdd')
    """
    scope, slash, _ = producer.rpartition("/")
    return producer if name in producer.split("/") else scope + slash + name.replace("/", "_")


def _unique(names: Mapping[str, str]) -> dict[str, str]:
    """Make the new names unique; the nodes of a layer's second call get a number."""
    seen: Counter[str] = Counter(old for old, new in names.items() if old == new)
    unique = {}
    for old, new in names.items():
        candidate = new
        while old != new and seen[candidate]:
            seen[new] += 1
            candidate = f"{new}_{seen[new] - 1}"
        seen[candidate] += old != new
        unique[old] = candidate
    return unique


def _renamed(entry: str, new: Mapping[str, str]) -> str:
    """Rename an input of a node: "name:output:0", "^name", or an argument of the function."""
    name, colon, rest = entry.removeprefix("^").partition(":")
    return ("^" if entry.startswith("^") else "") + new.get(name, name) + colon + rest


def _refuse_loops(functions: Iterable[Any], layers: Mapping[str, str]) -> None:
    """Refuse loops that would crash the converter, except in an LSTM that it can fuse."""
    for function in functions:
        if function.attr["api_implements"].s.startswith(b"lstm_"):
            continue
        for node in function.node_def:
            if node.op in {"While", "StatelessWhile"}:
                raise loop_refusal(node.name, layers)
