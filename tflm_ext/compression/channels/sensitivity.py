"""Measures the loss without some channels, to decide which layers to prune, and how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tflm_ext.compression.channels.data import Sample
from tflm_ext.compression.channels.groups import ChannelGraph, Kept
from tflm_ext.compression.channels.rebuild import masked
from tflm_ext.compression.channels.tune import Objective
from tflm_ext.compression.checks import fits
from tflm_ext.errors import ConfigError

_BATCH = 32


class Meter:
    """Measures how much worse a model becomes on some samples as its weights change.

    Args:
        model: our own copy, not compiled; its regularisation is removed.
        objective: for compile(). With targets, the loss is measured, otherwise the change of the
            outputs.
    """

    def __init__(self, model: Any, sample: Sample, objective: Objective | None) -> None:
        for variable in model.weights:
            variable.regularizer = None
        self._model, self._sample = model, sample
        self._by_loss = objective is not None and sample.y is not None
        if self._by_loss:
            model.compile(**objective or {}, jit_compile=False)
        # Not predict_on_batch(), which in a strategy's scope sends the batch to every replica.
        self._predict = tf.function(lambda x: model(x, training=False))
        self._before = keras.tree.map_structure(np.asarray, self._outputs())
        self._loss_before = self._loss() if self._by_loss else 0.0

    def __call__(self) -> float:
        """Return the increase of the loss, or the mean squared change of the outputs.

        The change is relative to the outputs' variance.
        """
        if self._by_loss:
            return self._loss() - self._loss_before
        after = self._outputs()
        changes = [
            np.mean((a - b) ** 2) / (np.var(b) + 1e-12)
            for a, b in zip(map(np.asarray, after), self._before, strict=True)
        ]
        return float(np.mean(changes))

    def _outputs(self) -> list[Any]:
        return list(keras.tree.flatten(self._predict(self._sample.x)))

    def _loss(self) -> float:
        outputs = self._predict(self._sample.x)
        with fits("data"):
            loss = float(
                self._model.compute_loss(x=self._sample.x, y=self._sample.y, y_pred=outputs)
            )
        if not np.isfinite(loss):
            raise ConfigError(
                f"The loss of model {self._model.name!r} on data is {loss}.",
                "Check its weights, the data and the loss function.",
            )
        return loss


def gradients(model: Any, sample: Sample, objective: Objective | None) -> list[dict[int, Any]]:
    """Return the gradients of the loss for each batch of the sample, by the weight's id."""
    model.compile(**objective or {}, jit_compile=False)
    variables = [v for v in model.weights if "float" in v.dtype]
    # For a strategy's variables, the one that is read outside replicas.
    sources = [getattr(v.value, "values", (v.value,))[0] for v in variables]
    found = []
    for start in range(0, len(sample.inputs[0]), _BATCH):
        x, y = _part((sample.x, sample.y), slice(start, start + _BATCH))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for source in sources:
                tape.watch(source)
            with fits("data"):
                value = model.compute_loss(x=x, y=y, y_pred=model(x, training=False))
        slopes = tape.gradient(value, sources)
        found.append(
            {
                id(v): np.asarray(s, np.float64)
                for v, s in zip(variables, slopes, strict=True)
                if s is not None
            }
        )
    return found


def _part(structure: Any, part: slice) -> Any:
    return keras.tree.map_structure(lambda array: array[part], structure)


def sensitivity(
    graph: ChannelGraph, order: Any, allowed: Sequence[int], meter: Callable[[], float]
) -> float:
    """Return the meter's value without about half of a group, per set of tied channels.

    Args:
        order: the group's roots, in the order of removal.
        allowed: allowed numbers of remaining sets, descending from all; at least two.
    """
    half = min(allowed[1:], key=lambda count: abs(count - len(order) / 2))
    gone = order[: len(order) - half]
    return max(0.0, _measure(graph, graph.kept(gone), meter)) / len(gone)


def _measure(graph: ChannelGraph, kept: Kept, meter: Callable[[], float]) -> float:
    before = []
    for use in graph.uses:
        weights = masked(use, kept)
        if weights is not None:
            before.append((use.operation, use.operation.get_weights()))
            use.operation.set_weights(weights)
    try:
        return meter()
    finally:
        for layer, weights in before:
            layer.set_weights(weights)
