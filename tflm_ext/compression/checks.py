"""Checks that several functions share: weights and data that cannot be used."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflm_ext.convert.order import library
from tflm_ext.convert.structure import children
from tflm_ext.errors import ConfigError, UnsupportedModelError

# Errors of the user's code that makes data, and of TensorFlow that runs it.
_RAISED = (
    ArithmeticError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    tf.errors.OpError,
)
# First lines of Keras and TensorFlow errors that do not contain the cause.
_NOTHING = (
    "Exception encountered when",
    "Graph execution error",
    "Detected at node",
    "<stack",
    'File "',
)


def check_weights(model: Any, called: str) -> None:
    """Refuse a model of either library whose weights are not finite.

    Args:
        called: name of the model in messages, like "model 'net'".

    Raises:
        ConfigError: a weight is not finite; names the layer.
    """
    # Inner layers come after the outer ones.
    if not model.built:
        return
    layers = model._flatten_layers(include_self=True, recursive=True)
    owner = {id(weight): layer.name for layer in layers for weight in layer.weights}
    for weight in model.weights:
        values = weight.numpy()
        if values.dtype.kind not in "OSU" and not np.isfinite(values).all():
            raise ConfigError(
                f"Layer {owner[id(weight)]!r} of {called} has weights that are not finite (NaN or"
                " infinite).",
                "Go back to a model that was saved earlier, or train it again with a lower "
                "learning rate.",
            )


def check_order(model: Any) -> None:
    """Refuse a model whose weights Keras 3 mixes up when it saves and loads it.

    Raises:
        UnsupportedModelError: outputs, including those of nested models, are in an OrderedDict
            whose keys are not sorted; Keras loads a dict.
    """
    for layer in model._flatten_layers(include_self=True, recursive=True):
        if library(layer) == "keras" and _loses_order(getattr(layer, "_outputs_struct", None)):
            raise UnsupportedModelError(
                f"The outputs of model {layer.name!r} are an OrderedDict with unsorted keys: "
                "Keras assigns the weights of layers to other layers when it saves and loads such "
                "a model.",
                "Build it with a list or a dict of outputs, as keras.Model(inputs, dict(outputs)).",
            )


def _loses_order(structure: Any) -> bool:
    keys = list(structure) if isinstance(structure, OrderedDict) else []
    parts = children(structure) or []
    return keys != sorted(keys) or any(_loses_order(part) for _, part in parts)


def check_batched(model: Any, data: Any, what: str) -> None:
    """Refuse a tf.data.Dataset that yields samples instead of batches.

    Args:
        what: the name that messages use for the data.

    Raises:
        ConfigError: the Dataset has no batches; suggests batch().
    """
    spec = getattr(data, "element_spec", None)
    x = spec[0] if isinstance(spec, tuple) and spec else spec
    samples = [tensor.shape[1:] for tensor in model.inputs]
    shapes = [getattr(part, "shape", tf.TensorShape(None)) for part in keras.tree.flatten(x)]
    # If the first size is not known, it is the batch size.
    if len(shapes) == len(samples) and all(
        shape.rank == len(sample) and shape.is_compatible_with(sample) and shape[:1] != [None]
        for shape, sample in zip(shapes, samples, strict=True)
    ):
        raise ConfigError(
            f"{what} is a Dataset of samples, not of batches.", "Call .batch(32) on it."
        )


def batches(data: Any, what: str) -> Iterator[Any]:
    """Yields the items of a Dataset, a PyDataset or another iterable.

    Raises:
        ConfigError: it raised an error itself.
    """
    try:
        if isinstance(data, keras.utils.PyDataset):
            yield from (data[i] for i in range(len(data)))
        else:
            yield from data
    except _RAISED as error:
        raise _unreadable(what, _lines(error), type(error).__name__) from error


@contextmanager
def fits(what: str) -> Iterator[None]:
    """Turn errors that Keras raises during training or evaluation into errors about the data.

    Raises:
        ConfigError: Keras raised an error.
    """
    try:
        yield
    except (ValueError, tf.errors.OpError) as error:
        lines = _lines(error)
        if any(line.startswith("Traceback (") for line in lines):
            raise _unreadable(what, lines, type(error).__name__) from error
        known = [line for line in lines if not line.startswith(_NOTHING)] or ["no reason is given"]
        raise ConfigError(
            f"{what} does not match the model or the loss: "
            f"{known[0].partition('  Label values')[0]}",
            "Pass what model.fit() accepts: the same inputs, targets and loss as in training.",
        ) from error


def _lines(error: Exception) -> list[str]:
    """Return the text of an error without TensorFlow's position in the graph and bold face."""
    text = re.sub(r"\{\{.*?\}\} |\x1b\[\d+m", "", str(error))
    return [line.strip() for line in text.splitlines() if line.strip()]


def _unreadable(what: str, lines: list[str], kind: str) -> ConfigError:
    """Return the error about data that raised an error itself, also inside TensorFlow."""
    inside = [line for line, after in pairwise(lines) if after.startswith("Traceback (")]
    reason = inside[0] if inside else ": ".join([kind, *lines[:1]])
    return ConfigError(
        f"{what} raised an error while it was read: {reason}",
        "Read it once without training, with 'for batch in data: pass', and fix the error that it "
        "raises.",
    )


class NeedsBatches(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends fit() of either Keras with an error in an epoch without data.

    Keras would continue with a loss of 0, so a generator that can only be read once would train the
    first epoch only.

    Args:
        what: the name that messages use for the data.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    # Queried by the callback list of tf_keras.
    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._some = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._some = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self._some:
            raise no_batches(self.what)


def no_batches(what: str) -> ConfigError:
    """Return the error about data that is empty, or empty when it is read again."""
    return ConfigError(
        f"{what} has no batches, or none left when it is read a second time.",
        "Pass data that is not empty and starts again whenever it is read, such as a Dataset made "
        "from arrays.",
    )
