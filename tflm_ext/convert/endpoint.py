"""Reads a SavedModel's signature, and the order and the names stored with it.

A signature is a set of names without an order. The function that it wraps often has an order:
Keras 3 exports it as `serve`; tf_keras saves `__call__`, and layer names in keras_metadata.pb.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.convert import structure
from tflm_ext.convert.order import OpenInput
from tflm_ext.convert.samples import Order
from tflm_ext.convert.untrusted import NAMES
from tflm_ext.errors import UnsupportedModelError

SIGNATURE = "serving_default"
_UNREADABLE = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Function:
    """A function of a SavedModel with the same inputs as its signature, in the user's structure.

    Attributes:
        call: the function.
        arguments: its positional arguments, with a TensorSpec in place of each tensor.
        names: the name of the signature's argument at each path of the arguments.
        wrapped: whether the signature calls this function.
    """

    call: Any
    arguments: tuple[Any, ...]
    names: Mapping[structure.Path, str]
    wrapped: bool

    @property
    def has_order(self) -> bool:
        """Whether the order of tensors is defined; the keys of a dict have none."""
        parents = [path[:-1] for path in self.names if isinstance(path[-1], str)]
        return len(set(parents)) == len(parents)

    @property
    def paths(self) -> dict[str, structure.Path]:
        """Return the position of each argument of the signature in the model's inputs."""
        alone = len({path[0] for path in self.names}) == 1
        return {name: path[1:] if alone else path for path, name in self.names.items()}


@dataclass(frozen=True)
class Endpoint:
    """The signature that is exported.

    Attributes:
        loaded: the SavedModel; it keeps the variables alive.
        signature: a function of tensors by name.
        inputs: in the endpoint's own order if it has one; keras_name is the signature's name.
        outputs: maps the user's name of each output to the signature's, in order.
        order: what is known about the order of the inputs.
        function: the function that the signature wraps, or an equivalent one; None if there is no
            such function.
        warnings: about the order of the outputs.
    """

    loaded: Any
    signature: Any
    inputs: list[OpenInput]
    outputs: Mapping[str, str]
    order: Order
    function: Function | None
    warnings: list[str]

    @classmethod
    def load(cls, source: Path) -> Endpoint:
        """Load a SavedModel.

        Raises:
            UnsupportedModelError: it has no signature.
        """
        import tensorflow as tf

        loaded = tf.saved_model.load(str(source))
        signatures = dict(loaded.signatures)
        if SIGNATURE not in signatures and len(signatures) != 1:
            raise UnsupportedModelError(
                f"The SavedModel {source.name} has no signature {SIGNATURE!r}.",
                "Write it with model.export(folder).",
            )
        signature = signatures.get(SIGNATURE) or next(iter(signatures.values()))
        specs = signature.structured_input_signature[1]
        wrapped, keys = _wrapped(signature)
        has_order = keys != sorted(keys)  # TensorFlow sorts those of a dict
        keys = keys if set(keys) == set(specs) else sorted(specs, key=_natural)
        function = next(_functions(loaded, wrapped, [specs[key] for key in keys]), None)
        if function is not None:
            has_order = function.has_order
        paths = function.paths if function else {key: (key,) for key in keys}
        places = [paths[key] for key in keys]
        inputs = [
            OpenInput(name, key, path, tuple(specs[key].shape), specs[key].dtype)
            for name, key, path in zip(structure.named(places, keys), keys, places, strict=True)
        ]
        outputs, warnings = _outputs(source, list(signature.structured_outputs))
        order = Order.OWN if has_order or len(keys) == 1 else Order.UNKNOWN
        return cls(loaded, signature, inputs, outputs, order, function, warnings)

    def call(self, samples: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs by name, in order, for samples by input name."""
        results = self.signature(**{port.keras_name: samples[port.name] for port in self.inputs})
        return {name: results[key] for name, key in self.outputs.items()}

    def reference(self, samples: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same from the function that the signature wraps, in the user's structures."""
        if self.function is None or not self.function.wrapped:
            return self.call(samples)
        by_key = {port.keras_name: samples[port.name] for port in self.inputs}
        names = self.function.names
        arguments = structure.like(self.function.arguments, lambda path: by_key[names[path]])
        result = self.function.call(*arguments)
        # The signature names the parts of a named tuple after its fields.
        result = result._asdict() if hasattr(result, "_asdict") else result
        parts = structure.children(result)
        results = {
            step if isinstance(step, str) else f"output_{step}": value
            for step, value in ([(0, result)] if parts is None else parts)
        }
        if len(results) == 1:
            results = dict.fromkeys(self.outputs.values(), next(iter(results.values())))
        return {name: results[key] for name, key in self.outputs.items()}


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts output_10 after output_9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _wrapped(signature: Any) -> tuple[str, list[str]]:
    """Return name and arguments, in order, of the function that a signature wraps.

    Returns:
        "" and [] if the signature does more than call a function, as in TensorFlow 1.
    """
    calls = [
        node
        for node in signature.graph.get_operations()
        if node.type in {"PartitionedCall", "StatefulPartitionedCall"}
    ]
    if len(calls) != 1:
        return "", []
    names = [
        tensor.op.get_attr("_user_specified_name").decode()
        for tensor in calls[0].inputs
        if tensor.op.type == "Placeholder" and tensor.dtype.name != "resource"
    ]
    return calls[0].get_attr("f").name, names


def _functions(loaded: Any, wrapped: str, specs: Sequence[Any]) -> Iterator[Function]:
    """Yield the functions of a SavedModel with the inputs of its signature; the wrapped one first.

    Args:
        loaded: the SavedModel.
        wrapped: name of the function that the signature calls.
        specs: its arguments, in order, with the signature's names.
    """
    found = [
        function
        for attribute in dict.fromkeys(("serve", "__call__", *vars(loaded)))
        for concrete in getattr(getattr(loaded, attribute, None), "concrete_functions", ())
        if (function := _function(loaded, attribute, concrete, wrapped, specs)) is not None
    ]
    yield from sorted(found, key=lambda function: not function.wrapped)


def _function(
    loaded: Any, attribute: str, concrete: Any, wrapped: str, specs: Sequence[Any]
) -> Function | None:
    import tensorflow as tf

    arguments, keywords = concrete.structured_input_signature
    # A tf_keras model takes (inputs, training, mask), of which only the first is a tensor.
    taken = [leaf for leaf in tf.nest.flatten(arguments) if isinstance(leaf, tf.TensorSpec)]
    if keywords or [_plain(spec) for spec in taken] != [_plain(spec) for spec in specs]:
        return None
    same = concrete.name.decode() == wrapped
    if not same and [spec.name for spec in taken] != [spec.name for spec in specs]:
        return None
    left = iter(specs)
    placed = tf.nest.map_structure(
        lambda leaf: next(left).name if isinstance(leaf, tf.TensorSpec) else None, arguments
    )
    names = {path: name for path, name in structure.leaves(placed) if name is not None}
    return Function(getattr(loaded, attribute), arguments, names, same)


def _plain(spec: Any) -> tuple[Any, ...]:
    return tuple(spec.shape), spec.dtype


def _outputs(source: Path, keys: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Map the user's names of the outputs to the signature's, in order; also return warnings."""
    if len(keys) == 1 or all(re.fullmatch(r"output_\d+", key) for key in keys):
        return {key: key for key in sorted(keys, key=_natural)}, []
    found = _saved_outputs(source, len(keys))
    if found is not None and set(found.values()) == set(keys):
        return found, []
    keys = sorted(keys, key=_natural)
    names = ", ".join(map(repr, keys))
    return {key: key for key in keys}, [
        f"The SavedModel does not specify the order of its outputs, so they are sorted: {names}."
    ]


def _saved_outputs(source: Path, count: int) -> dict[str, str] | None:
    """Return the outputs of a model saved by tf_keras, from the configuration stored with it.

    Returns:
        Maps the user's names to the unique names that tf_keras made of the layers' names; None if
        there is no configuration, or if it does not match the signature.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    file = source / NAMES
    if not file.is_file():
        return None
    try:
        nodes = SavedMetadata.FromString(file.read_bytes()).nodes
        (root,) = [node.metadata for node in nodes if node.node_path == "root"]
        layers = _layers(json.loads(root)["config"]["output_layers"])
    except (*_UNREADABLE, DecodeError):
        return None
    if len(tf.nest.flatten(layers)) != count:
        return None
    names: list[str] = []
    for layer in tf.nest.flatten(layers):
        numbered = (f"{layer}_{i}" if i else layer for i in range(len(names) + 1))
        names.append(next(name for name in numbered if name not in names))
    places = dict(structure.leaves(tf.nest.pack_sequence_as(layers, list(range(len(names))))))
    paths = sorted(places, key=lambda path: places[path])
    return dict(zip(structure.named(paths, names), names, strict=True))


def _layers(value: Any) -> Any:
    """Convert a structure of [layer, node, tensor] to one of layer names."""
    if isinstance(value, list) and len(value) == 3 and [type(v) for v in value] == [str, int, int]:
        return value[0]
    if isinstance(value, list):
        return [_layers(part) for part in value]
    if value.get("class_name") == "__tuple__":
        return [_layers(part) for part in value["items"]]
    return {key: _layers(part) for key, part in value.items()}
