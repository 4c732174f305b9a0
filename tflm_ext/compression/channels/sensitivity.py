"""What the model loses on data when channels are left out: where to prune, and what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tflm_ext.compression.channels.data import Sample
from tflm_ext.compression.channels.graph import ChannelGraph, Kept
from tflm_ext.compression.channels.rebuild import masked
from tflm_ext.compression.channels.tune import Objective
from tflm_ext.compression.checks import fits
from tflm_ext.errors import ConfigError

_BATCH = 32


class Meter:
    """How much worse a model has become on some samples, as its weights change.

    Args:
        model: of our own, not compiled; its regularisation is taken away.
        objective: for compile(). With targets its loss is measured, else the change of the outputs.
    """

    def __init__(self, model: Any, sample: Sample, objective: Objective | None) -> None:
        for variable in model.weights:
            variable.regularizer = None
        self._model, self._sample = model, sample
        self._by_loss = objective is not None and sample.y is not None
        if self._by_loss:
            model.compile(**objective or {}, jit_compile=False)
        self._before = keras.tree.flatten(model.predict_on_batch(sample.x))
        self._loss_before = self._loss() if self._by_loss else 0.0

    def __call__(self) -> float:
        """The loss above that of the start, or the mean squared change of the outputs.

        The change is relative to the outputs' variance.
        """
        if self._by_loss:
            return self._loss() - self._loss_before
        after = keras.tree.flatten(self._model.predict_on_batch(self._sample.x))
        changes = [
            np.mean((a - b) ** 2) / (np.var(b) + 1e-12)
            for a, b in zip(after, self._before, strict=True)
        ]
        return float(np.mean(changes))

    def _loss(self) -> float:
        outputs = self._model.predict_on_batch(self._sample.x)
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
    """Per batch of the sample, the gradient of the loss at every weight, by the weight's id."""
    import tensorflow as tf

    model.compile(**objective or {}, jit_compile=False)
    variables = [v for v in model.weights if "float" in v.dtype]
    found = []
    for start in range(0, len(sample.inputs[0]), _BATCH):
        x, y = _part((sample.x, sample.y), slice(start, start + _BATCH))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in variables:
                tape.watch(variable.value)
            with fits("data"):
                value = model.compute_loss(x=x, y=y, y_pred=model(x, training=False))
        slopes = tape.gradient(value, [v.value for v in variables])
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
    """What the meter shows, per set of tied channels, when about half of a group is left out.

    Args:
        order: the group's roots, the first to go first.
        allowed: how many may stay, from all of them downwards; at least two counts.
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
