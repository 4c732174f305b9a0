"""Inputs and outputs of a Keras model: Keras' own order, and the users' names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tflm_ext.convert.samples import InputSpec, Order
from tflm_ext.convert.structure import Path, bare, leaves, named


@dataclass(frozen=True, slots=True)
class OpenInput:
    """One input, before its sizes are fixed.

    Attributes:
        name: the user's name for its samples.
        keras_name: name of its tensor.
        path: its place in the model's structure of inputs.
        shape: including the batch; None for sizes that are not fixed.
        dtype: Keras' or TensorFlow's type.
    """

    name: str
    keras_name: str
    path: Path
    shape: tuple[int | None, ...]
    dtype: Any


def library(model: Any) -> str | None:
    """Return the library of a model: "keras", "tf_keras", or None for other objects."""
    for base in type(model).__mro__:
        package = base.__module__.split(".")[0]
        if package in {"keras", "tf_keras"} and base.__name__ == "Model":
            return package
    return None


def tree(model: Any) -> Any:
    """Return the module that flattens structures for a model: keras.tree, or tf.nest for tf_keras.

    keras.tree sorts the keys of a dict, but not those of an OrderedDict; tf.nest sorts both.
    """
    if library(model) == "keras":
        import keras

        return keras.tree
    import tensorflow as tf

    return tf.nest


def input_structure(model: Any) -> Any:
    """Return the model's input tensors in the structure that was passed to keras.Model."""
    return _structure(getattr(model, "input", None), list(model.inputs))


def output_structure(model: Any) -> Any:
    """Return the model's output tensors in the structure that was passed to keras.Model."""
    return _structure(getattr(model, "output", None), list(model.outputs))


def _structure(given: Any, tensors: list[Any]) -> Any:
    """Return a structure of these tensors; a Sequential has none before its first call."""
    if {id(leaf) for _, leaf in leaves(given)} == {id(tensor) for tensor in tensors}:
        return given
    return tensors[0] if len(tensors) == 1 else tensors


def open_inputs(model: Any) -> list[OpenInput]:
    """Return the inputs in the order of model.inputs."""
    left = list(leaves(input_structure(model)))
    paths = []
    for tensor in model.inputs:
        place = next(i for i, (_, leaf) in enumerate(left) if leaf is tensor)
        paths.append(left.pop(place)[0])
    keras_names = [tensor.name.partition(":")[0] for tensor in model.inputs]
    return [
        OpenInput(name, keras_name, path, tuple(tensor.shape), tensor.dtype)
        for name, keras_name, path, tensor in zip(
            named(paths, keras_names), keras_names, paths, model.inputs, strict=True
        )
    ]


def input_specs(model: Any) -> list[InputSpec]:
    """Return the inputs as specifications for calibration and test data."""
    return [
        InputSpec(
            port.name,
            (1, *(int(size or 0) for size in port.shape[1:])),
            str(getattr(port.dtype, "name", None) or port.dtype),
            keras_name=port.keras_name,
            path=port.path,
        )
        for port in open_inputs(model)
    ]


def keras_output_names(model: Any, count: int) -> list[str]:
    """Return Keras' names of the outputs: the names of their layers, possibly repeated."""
    # A Sequential of Keras 3 has no output_names.
    names = getattr(model, "output_names", None) or [model.layers[-1].name] * count
    names = [str(name).partition(":")[0] for name in names]
    return names if len(names) == count else [f"output_{i}" for i in range(count)]


def output_names(model: Any, result: Any) -> tuple[str, ...]:
    """Return the names of the outputs of a call, in Keras' order.

    Args:
        model: the model that was called.
        result: its outputs, in the structure that the call returned.
    """
    nest, result = tree(model), bare(result)
    count = len(nest.flatten(result))
    places = dict(leaves(nest.pack_sequence_as(result, list(range(count)))))
    paths = sorted(places, key=lambda path: places[path])
    return named(paths, keras_output_names(model, count))


def confusions(model: Any) -> list[str]:
    """Return warnings about dict keys that equal Keras' names of other inputs or outputs."""
    ports, outputs = open_inputs(model), output_names(model, output_structure(model))
    pairs = [
        ("Input", [port.name for port in ports], [port.keras_name for port in ports]),
        ("Output", list(outputs), keras_output_names(model, len(outputs))),
    ]
    return [
        f"{what} {key!r} is named after the key of a dict; the layer at that key is {name!r}."
        for what, keys, names in pairs
        for key, name in zip(keys, names, strict=True)
        # tf_keras calls the second output of layer "dense" "dense_1".
        if key in names and key not in {name, re.sub(r"_\d+$", "", name)}
    ]


def input_order(model: Any) -> Order:
    """Return whether Keras kept the user's order of the inputs."""
    written = [id(leaf) for _, leaf in leaves(input_structure(model))]
    same = written == [id(tensor) for tensor in model.inputs]
    return Order.OWN if same else Order.SORTED
