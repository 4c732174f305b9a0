"""A Keras model to a SavedModel at batch 1. Runs where TensorFlow already is: for a live model in
the user's process, for a file in the converter's child."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tflm_ext.errors import UnsupportedModelError

SIGNATURE = "serving_default"


def trace(model: Any, folder: Path) -> None:
    """Save what a Keras model computes for one sample.

    The signature's inputs are x000, x001, ... and its outputs y000, y001, ... in the model's own
    order. Beside the graph, keras.json keeps the names that the user knows. The model itself
    stays as it is: its layers are not tracked, only the variables that the graph reads.

    Args:
        model: a built keras.Model or tf_keras.Model with known inputs.
        folder: where the SavedModel goes.

    Raises:
        UnsupportedModelError: the model has no known inputs, or a size of them is not fixed.
    """
    import tensorflow as tf

    inputs = _inputs(model)
    structure = model.input

    def call(*samples: Any) -> dict[str, Any]:
        outputs = model(tf.nest.pack_sequence_as(structure, samples), training=False)
        return {f"y{i:03}": y for i, y in enumerate(tf.nest.flatten(outputs))}

    with _quiet():
        function = tf.function(call, autograph=False).get_concrete_function(
            *(
                tf.TensorSpec(shape, dtype, name=f"x{i:03}")
                for i, (_, shape, dtype) in enumerate(inputs)
            )
        )
        module = tf.Module()
        module.variables_of_the_graph = list(function.graph.variables)
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: function})
    names = {
        "inputs": [name for name, _, _ in inputs],
        "outputs": _output_names(model),
        "layers": {layer.name: type(layer).__name__ for layer in layers(model)},
    }
    (folder / "keras.json").write_text(json.dumps(names), encoding="utf-8")


def layers(model: Any) -> Iterator[Any]:
    """All layers of a model, those inside other layers and models included."""
    for layer in model._flatten_layers(include_self=False):
        yield layer


def _inputs(model: Any) -> list[tuple[str, tuple[int, ...], Any]]:
    """Name, shape at batch 1 and type of every input."""
    try:
        tensors = list(model.inputs or ())
    except (AttributeError, ValueError):
        tensors = []
    if not tensors:
        raise UnsupportedModelError(
            f"The inputs of model {model.name!r} are not known: it is a subclass of Model or was"
            " never built.",
            "Give it inputs: x = keras.Input(shape); model = keras.Model(x, model(x)).",
        )
    found = []
    for tensor in tensors:
        name = tensor.name.split(":")[0]
        shape = tuple(tensor.shape)
        if any(size is None for size in shape[1:]) or not shape:
            raise UnsupportedModelError(
                f"Input {name!r} of model {model.name!r} has a size that is not fixed: {shape}.",
                "Build the model with a fixed shape, like keras.Input((96, 96, 3)); a"
                " microcontroller's memory is planned before it runs.",
            )
        found.append((name, (1, *(int(size) for size in shape[1:])), tensor.dtype))
    return found


def _output_names(model: Any) -> list[str]:
    return [str(name).split(":")[0] for name in model.output_names]


@contextmanager
def _quiet() -> Iterator[None]:
    """TensorFlow's own logger says nothing about assets that were written."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
