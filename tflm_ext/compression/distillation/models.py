"""What distillation needs to know about a Keras model: its outputs and inner tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tflm_ext.compression.checks import check_weights
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.near import did_you_mean

# Their outputs are probabilities if their inputs are.
_SAME_VALUES = {"Dropout", "FakeQuant", "Flatten", "Identity", "Permute", "Reshape"}
_PROBABILITIES = {"softmax", "sigmoid"}


def check_model(model: Any, role: str) -> None:
    """Refuse everything except a built Keras 3 model with known outputs.

    Raises:
        ConfigError: not a model, or one of tf_keras.
        UnsupportedModelError: its graph is unknown.
    """
    match library(model):
        case "tf_keras":
            raise ConfigError(
                f"Distillation needs Keras 3 models, but the {role} is a tf_keras model.",
                "Build the same layers with keras instead of tf_keras, and copy the weights: "
                "new.set_weights(old.get_weights()).",
            )
        case None:
            raise ConfigError(
                f"The {role} is a {type(model).__name__}, not a Keras model.", "Pass a keras.Model."
            )
    if not getattr(model, "outputs", None) or not getattr(model, "inputs", None):
        raise UnsupportedModelError(
            f"The inputs and outputs of the {role} {model.name!r} are unknown.",
            "Pass a Sequential model with a keras.Input, or keras.Model(inputs, outputs).",
        )


def check_pair(student: Any, teacher: Any) -> None:
    """Refuse a teacher whose inputs or outputs differ from the student's.

    Raises:
        ConfigError: it shares weights with the student, or one of them has weights that are
            not finite.
        UnsupportedModelError: other inputs or outputs.
    """
    check_model(student, "student")
    check_model(teacher, "teacher")
    learned = {id(variable) for variable in student.variables}
    for layer in teacher._flatten_layers(include_self=False, recursive=True):
        if any(id(variable) in learned for variable in layer.variables):
            raise ConfigError(
                f"Layer {layer.name!r} belongs to the teacher and to the student.",
                "Build the student with separate layers: training it would change the teacher.",
            )
    check_weights(teacher, f"the teacher {teacher.name!r}")
    check_weights(student, f"the student {student.name!r}")
    for what, wanted, given in (
        ("takes", graph(student).input, graph(teacher).input),
        ("gives", graph(student).output, graph(teacher).output),
    ):
        ours, theirs = _shapes(wanted), _shapes(given)
        if not _same_structure(wanted, given) or not _fit(ours, theirs):
            raise UnsupportedModelError(
                f"The teacher {teacher.name!r} {what} {_text(theirs)}, the student"
                f" {student.name!r} {what} {_text(ours)}.",
                "Pass a teacher with the same inputs and outputs as the student.",
            )


def graph(model: Any) -> Any:
    """The functional model inside a model, which knows the structure of inputs and outputs."""
    return model._functional if isinstance(model, keras.Sequential) else model


def output_names(model: Any) -> list[str]:
    """The names of the outputs in compile(), in flat order."""
    outputs = graph(model).output
    if isinstance(outputs, dict):
        return sorted(outputs)
    names = getattr(model, "output_names", None) or [model.layers[-1].name]
    return [str(name) for name in names]


def activations(model: Any) -> list[str | None]:
    """The last activation before each output, like "softmax" or "linear"; None if unknown."""
    return [_activation(tensor) for tensor in model.outputs]


def tapped(model: Any, layers: Sequence[str], role: str) -> Any:
    """A model of the same layers whose flat outputs are those of the model and of some layers.

    Raises:
        ConfigError: no such layer, one with several outputs, or one used several times.
    """
    if not layers:
        return model
    outputs = [*model.outputs, *(_output(model, n, role) for n in layers)]
    return keras.Model(graph(model).input, outputs, name=model.name)


def _output(model: Any, name: str, role: str) -> Any:
    names = [layer.name for layer in model.layers]
    if name not in names:
        near = did_you_mean(name, names)
        inside = " A layer inside a nested model cannot be named." if "/" in str(name) else ""
        raise ConfigError(
            f"The {role} {model.name!r} has no layer {name!r}.",
            f"{near}Choose one of: {', '.join(names[:10])}.{inside}",
        )
    layer = model.get_layer(name)
    tensors = [
        tensor
        for nodes in graph(model)._nodes_by_depth.values()
        for node in nodes
        if node.operation is layer
        for tensor in node.output_tensors
    ]
    if len(tensors) != 1 or tensors[0].shape[-1] is None:
        raise ConfigError(
            f"Layer {name!r} of the {role} does not return a single tensor with a known last axis.",
            "Name a layer that is used once and has one output.",
        )
    return tensors[0]


def _activation(tensor: Any) -> str | None:
    operation, node, index = tensor._keras_history
    if isinstance(operation, keras.Model):
        outputs = getattr(operation, "outputs", None)
        return _activation(outputs[index]) if outputs else None
    kind = type(operation).__name__
    if kind.lower() in _PROBABILITIES:
        return kind.lower()
    function = getattr(getattr(operation, "layer", operation), "activation", None)
    name = getattr(function, "__name__", None)
    if kind in _SAME_VALUES or (kind == "Activation" and name == "linear"):
        return _activation(operation._inbound_nodes[node].input_tensors[0])
    return name


def _shapes(tensors: Any) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in keras.tree.flatten(tensors)]


def _same_structure(one: Any, other: Any) -> bool:
    if isinstance(one, dict) or isinstance(other, dict):
        return isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other)
    return True


def _fit(ours: list[tuple[int | None, ...]], theirs: list[tuple[int | None, ...]]) -> bool:
    return len(ours) == len(theirs) and all(
        len(a) == len(b)
        and all(m == n or m is None or n is None for m, n in zip(a[1:], b[1:], strict=True))
        for a, b in zip(ours, theirs, strict=True)
    )


def _text(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(shape) for shape in shapes)
