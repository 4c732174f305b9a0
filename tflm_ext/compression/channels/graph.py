"""The channels of a Keras 3 model: which are removed together, and which must be kept.

The dependencies are those of "DepGraph" (Fang et al., 2023), followed channel by channel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional  # the class itself has no public name

from tflm_ext.compression.channels.groups import (
    ChannelGraph,
    Effect,
    Reason,
    Untouched,
    Use,
    groups_of,
    untouched_of,
)
from tflm_ext.compression.channels.rules import (
    Call,
    constrained,
    effect,
    of_activation,
    positions,
)
from tflm_ext.compression.channels.ties import Channels, Ties
from tflm_ext.errors import ConfigError, UnsupportedModelError


def read_channels(model: Any) -> ChannelGraph:
    """Follow the channels through a model.

    Args:
        model: a built keras.Model: Sequential, functional, or nested ones of these.

    Raises:
        ConfigError: it is not a Keras 3 model.
        UnsupportedModelError: its layers are not known: a subclass of Model, or never built.
    """
    function = layers_of(_checked(model))
    if function is None:
        raise UnsupportedModelError(
            f"The layers of model {model.name!r} cannot be followed: it is a subclass of Model with"
            " a custom call(), or was never built.",
            "Build it as keras.Sequential with an Input, or as keras.Model(inputs, outputs).",
        )
    walk = _Walk(Counter(id(node.operation) for node in _all_nodes(function)))
    inputs = [
        walk.tensor(t.shape, Reason.INPUT, t._keras_history.operation.name) for t in function.inputs
    ]
    outputs = walk.run(function, inputs, "")
    for tensor, channels in zip(function.outputs, outputs, strict=True):
        walk.block(channels, Reason.OUTPUT, tensor._keras_history.operation.name)
    return walk.result()


def layers_of(operation: Any) -> Functional | None:
    """Return the graph of a Sequential or functional model; None for other objects."""
    if isinstance(operation, keras.Sequential):
        own = type(operation).call is not keras.Sequential.call
        return None if own else operation._functional
    functional = isinstance(operation, Functional) and type(operation).call is Functional.call
    return operation if functional else None


def pack(model: Any, inputs: Sequence[Any]) -> Any:
    """Pack one array per input into the model's structure."""
    function = layers_of(model)
    assert function is not None  # read_channels() checked this
    return keras.tree.pack_sequence_as(function.input, inputs)


def _checked(model: Any) -> Any:
    if any(base.__module__.startswith("tf_keras") for base in type(model).__mro__):
        raise ConfigError(
            "prune_channels needs a Keras 3 model, but this is a tf_keras model.",
            "Build the same layers with keras instead of tf_keras, and copy the weights: "
            "new.set_weights(old.get_weights()).",
        )
    if not isinstance(model, keras.Model):
        raise ConfigError(f"A {type(model).__name__} is not a Keras model.", "Pass a keras.Model.")
    return model


def _nodes(function: Functional) -> Iterator[Any]:
    """Yield the uses of operations in execution order, without the inputs."""
    for depth in sorted(function._nodes_by_depth, reverse=True):
        yield from (node for node in function._nodes_by_depth[depth] if not node.is_input)


def _all_nodes(function: Functional) -> Iterator[Any]:
    for node in _nodes(function):
        yield node
        inner = layers_of(node.operation)
        if inner is not None:
            yield from _all_nodes(inner)


@dataclass
class _Walk:
    """The state of the traversal."""

    uses_of: Counter[int]
    ties: Ties = field(default_factory=Ties)
    uses: list[Use] = field(default_factory=list)
    blocks: list[tuple[Channels, Reason, str]] = field(default_factory=list)
    walls: list[Untouched] = field(default_factory=list)

    def tensor(self, shape: Sequence[int | None], reason: Reason, because: str) -> Channels:
        """Return new channels of a tensor that must keep them."""
        size = shape[-1] if len(shape) > 1 else None
        channels = self.ties.new(size or 0)
        self.block(channels, reason, because)
        return channels

    def block(self, channels: Channels, reason: Reason, because: str) -> None:
        self.blocks.append((channels, reason, because))

    def run(self, function: Functional, inputs: Sequence[Channels], prefix: str) -> list[Channels]:
        """Follow the channels through a model, and return those of its outputs."""
        tensors = {id(t): c for t, c in zip(function.inputs, inputs, strict=True)}
        for tensor, channels in zip(function.inputs, inputs, strict=True):
            entry = tensor._keras_history.operation
            sizes = {"batch_shape": channels} if len(channels) else {}
            carried = Effect(channels, sizes=sizes)
            self.uses.append(Use(entry, prefix + entry.name, carried, positions(entry)))
        for node in _nodes(function):
            given = [tensors[id(t)] for t in node.input_tensors]
            results = self._use(node, given, prefix + node.operation.name)
            tensors.update({id(t): c for t, c in zip(node.outputs, results, strict=True)})
        return [tensors[id(t)] for t in function.outputs]

    def _use(self, node: Any, inputs: Sequence[Channels], path: str) -> list[Channels]:
        operation = node.operation
        shared = self.uses_of[id(operation)] > 1
        inner = layers_of(operation)
        plain = not any(isinstance(argument, dict) for argument in node.arguments.args)
        if inner is not None and not shared and plain:
            return self.run(inner, inputs, f"{path}/")
        found = self._effect(node, inputs)
        state = bool(getattr(operation, "weights", ()))
        if shared and (state or (isinstance(found, Effect) and found.sizes)):
            found = Reason.SHARED
        if isinstance(found, Reason):
            if state or found in (Reason.CUSTOM, Reason.ATTENTION):
                self.walls.append(Untouched(path, found, path))
            for channels in inputs:
                self.block(channels, found, path)
            return [self.tensor(t.shape, found, path) for t in node.outputs]
        reason = of_activation(operation)
        if reason:
            self.block(found.output, reason, path)
        if constrained(operation):
            for channels in (*inputs, found.output):
                self.block(channels, Reason.CONSTRAINT, path)
        self.uses.append(Use(operation, path, found, positions(operation)))
        return [found.output]

    def _effect(self, node: Any, inputs: Sequence[Channels]) -> Effect | Reason:
        tensors = (*node.input_tensors, *node.outputs)
        if any(len(t.shape) < 2 or not t.shape[-1] for t in tensors):
            return Reason.UNKNOWN
        arguments = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        constants = [a for a in arguments if not isinstance(a, keras.KerasTensor) and a is not None]
        return effect(
            Call(
                node.operation,
                tuple(inputs),
                tuple(tuple(t.shape) for t in node.input_tensors),
                tuple(node.outputs[0].shape),
                tuple(constants),
                self.ties,
            )
        )

    def result(self) -> ChannelGraph:
        roots = self.ties.roots()
        blocked: dict[int, tuple[Reason, str]] = {}
        # Of several reasons, being an output is the most informative.
        for channels, reason, because in sorted(self.blocks, key=lambda b: b[1] != Reason.OUTPUT):
            for root in np.unique(roots[channels]).tolist():
                blocked.setdefault(root, (reason, because))
        return ChannelGraph(
            tuple(self.uses),
            roots,
            tuple(groups_of(self.uses, roots, blocked)),
            tuple(dict.fromkeys((*self.walls, *untouched_of(self.uses, roots, blocked)))),
        )
