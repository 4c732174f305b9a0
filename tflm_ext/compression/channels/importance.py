"""The importance of a channel, compared with the others of its layer."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.compression.channels.groups import ChannelGraph, Role, Use

# By the number of a channel; tied ones have the same.
Scores: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class Importance(enum.StrEnum):
    """Ranks the channels of a layer by importance."""

    NORM = "norm"
    BATCH_NORM = "batchnorm"
    TAYLOR = "taylor"


def norms(graph: ChannelGraph) -> Scores:
    """Return the L2 norm of a channel's weights in its layers; Li et al., 2017, used L1."""
    return _combined(graph, [_norm(use) for use in graph.uses])


def batch_norm_scales(graph: ChannelGraph) -> Scores:
    """Return |gamma| of a channel in BatchNormalization, or the norm if there is none.

    As in "network slimming", Liu et al., 2017.
    """
    scales = _combined(graph, [_scale(use) for use in graph.uses])
    return np.where(np.isnan(scales), norms(graph), scales)


def first_order(graph: ChannelGraph, gradients: Sequence[Mapping[int, Any]]) -> Scores:
    """Return the squared change of the loss without a channel, by first-order Taylor expansion.

    Molchanov et al., 2017; the square and the sum over weights are those of 2019.

    Args:
        gradients: for each batch, the gradient of the loss for every weight, by the weight's id.
    """
    per_use = []
    for use in graph.uses:
        changes = [change for batch in gradients if (change := _change(use, batch)) is not None]
        per_use.append(np.square(changes).mean(axis=0) if changes else None)
    return _combined(graph, per_use)


def _norm(use: Use) -> Any:
    for piece in use.effect.slices:
        if piece.role is Role.PRODUCES:
            return np.linalg.norm(_rows(use.operation.weights[piece.weight], piece.axis), axis=1)
    return None


def _scale(use: Use) -> Any:
    """Return gamma of BatchNormalization, the only layer with a rule that has one."""
    gamma = getattr(use.operation, "gamma", None)
    return None if gamma is None else np.abs(np.asarray(gamma, np.float64))


def _change(use: Use, gradients: Mapping[int, Any]) -> Any:
    """Return weight times gradient, summed over the weights of each output channel."""
    change = None
    for piece in use.effect.slices:
        variable = use.operation.weights[piece.weight]
        if piece.channels is use.effect.output and id(variable) in gradients:
            slopes = _rows(gradients[id(variable)], piece.axis)
            product = (_rows(variable, piece.axis) * slopes).sum(axis=1)
            change = product if change is None else change + product
    return change


def _rows(array: Any, axis: int) -> Any:
    """Return one row per position of an axis."""
    moved = np.moveaxis(np.asarray(array, np.float64), axis, 0)
    return moved.reshape(len(moved), -1)


def _combined(graph: ChannelGraph, per_use: Sequence[Any]) -> Scores:
    """Return the mean over all layers that a set of tied channels passes through; NaN without any.

    The values of each layer are divided by their mean, which makes layers comparable.
    """
    total, count = np.zeros(len(graph.roots)), np.zeros(len(graph.roots))
    for use, values in zip(graph.uses, per_use, strict=True):
        if values is not None and len(values):
            where = graph.roots[use.effect.output]
            np.add.at(total, where, values / (values.mean() or 1.0))
            np.add.at(count, where, 1.0)
    with np.errstate(invalid="ignore"):
        return (total / count)[graph.roots]
