"""quantize_aware() and strip() for Keras 3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.qat.checks import check_optimizer, nothing_to_train, unknown_layers
from tflm_ext.qat.expansion import OWN, SAME, Expansion, Fixed, Keep, Piece
from tflm_ext.qat.flatten import Value, flatten, functional
from tflm_ext.qat.layers import PACKAGE, FakeQuant, QuantizedLayer
from tflm_ext.qat.linear import KINDS
from tflm_ext.qat.rules import expand

_CLUSTERS = 256  # int8 does not have more distinct values


@dataclass(frozen=True)
class Links:
    """Relation between the weights of the plain model and the quantisation-aware model.

    Attributes:
        weights: index of each weight in the plain model, its variable, and the layer with masks or
            clusters for it, if any.
        holders: all layers with int8 weights, in execution order.
        ranges: all layers that learn ranges of activations, in execution order.
    """

    weights: tuple[tuple[int, Any, QuantizedLayer | None], ...]
    holders: tuple[QuantizedLayer, ...]
    ranges: tuple[FakeQuant, ...]


@keras.saving.register_keras_serializable(package=PACKAGE)
class QuantizedModel(keras.Model):  # type: ignore[misc]
    """A model that rounds in training like its int8 version.

    Its weights are trained, saved and loaded like those of any Functional model. quantize_aware()
    creates it; strip() returns the plain model.

    Args:
        plain: the plain model; its layers are copied.
        keep: decides for each kernel what training must preserve.
    """

    def __init__(self, plain: Any, keep: Callable[[Any], Keep]) -> None:
        inputs, outputs, expansion, ranges = _build(plain, keep)
        super().__init__(inputs, outputs, name=plain.name)
        original = keras.saving.serialize_keras_object(plain)
        original.pop("compile_config", None)
        self._original = json.dumps(original)
        self._links = _link(plain, expansion, ranges)
        # Losses and metrics are identified by these names.
        names = getattr(plain, "output_names", None) or [plain.layers[-1].name]
        self.output_names = list(names)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train like any model.

        Raises:
            ConfigError: the optimizer was used for a different model.
        """
        check_optimizer(self)
        return super().fit(*args, **kwargs)

    @property
    def links(self) -> Links:
        """Relation to the plain model's weights, and the layers that round."""
        return self._links

    def get_config(self) -> dict[str, Any]:
        """Return the plain model's configuration, and what is preserved."""
        keeps = [holder.keep for holder in self._links.holders]
        return {"model": json.loads(self._original), "keep": keeps}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> QuantizedModel:
        """Build the model from a configuration, with new weights."""
        plain = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        keeps = iter(config["keep"])
        return cls(plain, lambda kernel: next(keeps))

    def plain(self) -> Any:
        """Return the plain model with the current weights."""
        plain = keras.saving.deserialize_keras_object(json.loads(self._original), safe_mode=False)
        weights = list(plain.weights)
        for index, variable, holder in self._links.weights:
            value = variable if holder is None else holder.kernel
            weights[index].assign(keras.ops.convert_to_numpy(value))
        return plain

    def check_exportable(self) -> None:
        """Check that the model can be exported.

        Raises:
            ConfigError: it was never trained, or has weights that are not finite.
        """
        for layer in self._links.ranges:
            if not layer.high.numpy() > layer.low.numpy():
                raise ConfigError(
                    f"The quantisation-aware model {self.name!r} has no ranges yet:"
                    f" {layer.name!r} has seen no batch of finite values.",
                    "Train it with fit() for at least one epoch before you export it.",
                )
        for weight in self.weights:
            if weight.dtype == "float32" and np.isnan(weight.numpy()).any():
                raise ConfigError(
                    f"Weight {weight.path!r} of model {self.name!r} is NaN: training diverged.",
                    "Go back to a checkpoint and train with a smaller learning rate.",
                )


def quantize_aware(model: Any, *, preserve: str | None) -> QuantizedModel:
    """Make a model for quantisation-aware training from a trained Keras 3 model.

    Args:
        model: a keras.Model with known inputs; it is not changed.
        preserve: see tflm_ext.quantize_aware.

    Raises:
        ConfigError: it is already quantisation-aware, or has a custom training loop.
        UnsupportedModelError: a layer has no quantisation-aware form.
    """
    _check(model)
    keep = _keeper(preserve)
    with model.distribute_strategy.scope():
        plain, values = _copy(model), [weight.numpy() for weight in model.weights]
        plain.set_weights(values)
        aware = QuantizedModel(plain, keep)
        for index, variable, _ in aware.links.weights:
            variable.assign(values[index])
        for holder in aware.links.holders:
            holder.start()
        _compile_like(aware, model)
    return aware


def strip(model: QuantizedModel) -> Any:
    """Return the plain model with the trained weights, compiled like the given model."""
    with model.distribute_strategy.scope():
        plain = model.plain()
        _compile_like(plain, model)
    return plain


def _check(model: Any) -> None:
    name = getattr(model, "name", "")
    if isinstance(model, QuantizedModel):
        raise ConfigError(
            f"Model {name!r} is already quantisation-aware.",
            "Train it, or call tflm_ext.strip() first.",
        )
    if functional(model) is None:
        raise unknown_layers(model)
    cls = type(model)
    if cls.train_step is not keras.Model.train_step:
        raise ConfigError(
            f"Model {name!r} is a {cls.__name__} with a custom training loop, which would be lost.",
            "Pass the plain model inside it, and train its quantisation-aware form in that loop.",
        )
    if not any(call.kind in _TRAINED for call in flatten(model).calls):
        raise nothing_to_train(model)
    for tensor in model.inputs:
        if not str(tensor.dtype).startswith("float"):
            raise UnsupportedModelError(
                f"Input {tensor.name!r} is {tensor.dtype}; only float inputs can become int8.",
                "Replace Embedding with a one-hot input and Dense, and other integers with float "
                "inputs.",
            )


_TRAINED = frozenset({*KINDS, "SeparableConv1D", "SeparableConv2D"})


def _copy(model: Any) -> Any:
    """Copy a model through its configuration, as in a file."""
    try:
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        return keras.saving.deserialize_keras_object(config, safe_mode=False)
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"Model {model.name!r} cannot be copied: {reason}",
            "Add a get_config() to its custom layers, and register them with"
            " keras.saving.register_keras_serializable().",
        ) from error


def _keeper(preserve: str | None) -> Callable[[Any], Keep]:
    """Return a function that decides what training must preserve, from a kernel's values."""

    def decide(kernel: Any) -> Keep:
        values = kernel.numpy()
        other = values[values != 0]
        distinct = len(np.unique(other))
        few = distinct <= max(_CLUSTERS, other.size // 2)
        if preserve in {"auto", "clusters"} and 0 < distinct < other.size and few:
            return distinct + (other.size < values.size)
        if preserve in {"auto", "sparsity"} and 0 < other.size < values.size:
            return "sparsity"
        return None

    return decide


def _compile_like(target: Any, source: Any) -> None:
    """Compile with the same arguments, a new optimizer, and new metrics."""
    if not source.compiled:
        return
    config = dict(source._compile_config.config)
    optimizer = source.optimizer
    target.compile(
        **{
            **config,
            "optimizer": type(optimizer).from_config(optimizer.get_config()),
            "metrics": _fresh(config.get("metrics")),
            "weighted_metrics": _fresh(config.get("weighted_metrics")),
        }
    )


def _fresh(metrics: Any) -> Any:
    return keras.tree.map_structure(
        lambda m: type(m).from_config(m.get_config()) if isinstance(m, keras.metrics.Metric) else m,
        metrics,
    )


def _build(
    plain: Any, keep: Callable[[Any], Keep]
) -> tuple[Any, Any, Expansion, tuple[FakeQuant, ...]]:
    """Build the new model's graph: all pieces, each followed by a FakeQuant if it has a range."""
    outer = functional(plain)
    flat = flatten(plain)
    expansion = expand(flat, keep)
    tensors: dict[Value, Any] = {}
    ranges: dict[Value, tuple[FakeQuant, int]] = _ranges(flat.inputs, expansion)

    def give(value: Value, tensor: Any) -> None:
        if value in ranges:
            layer, member = ranges[value]
            tensor = layer(tensor, member=member)
        tensors[value] = tensor

    inputs = []
    for value, old in zip(flat.inputs, outer.inputs, strict=True):
        new = keras.Input(
            batch_shape=old.shape, dtype="float32", name=old._keras_history.operation.name
        )
        inputs.append(new)
        give(value, new)
    for piece in expansion.pieces:
        args, kwargs = keras.tree.map_structure(
            lambda leaf: tensors[leaf] if isinstance(leaf, Value) else leaf,
            (piece.args, dict(piece.kwargs)),
        )
        results = keras.tree.flatten(piece.operation(*args, **kwargs))
        for value, tensor in zip(piece.outputs, results, strict=True):
            give(value, tensor)
    outputs = [tensors[value] for value in flat.outputs]
    layers = dict.fromkeys(layer for layer, _ in ranges.values())
    return (
        keras.tree.pack_sequence_as(outer._inputs_struct, inputs),
        keras.tree.pack_sequence_as(outer._outputs_struct, outputs),
        expansion,
        tuple(layers),
    )


def _ranges(inputs: tuple[Value, ...], expansion: Expansion) -> dict[Value, tuple[FakeQuant, int]]:
    """Return the FakeQuant of each tensor that needs one, with the tensor's member number."""
    parent: dict[Value, Value] = {}

    def root(value: Value) -> Value:
        while value in parent:
            value = parent[value]
        return value

    sources: list[tuple[Value, str | Fixed, str]] = [(value, OWN, "input") for value in inputs]
    for piece in expansion.pieces:
        if piece.scale == SAME:
            first, *others = {root(value) for value in _tensors(piece)}
            parent.update((other, first) for other in others)
        if piece.scale == OWN or piece.ranged or isinstance(piece.scale, Fixed):
            sources += [(value, piece.scale, piece.operation.name) for value in piece.outputs]
    groups: dict[Value, list[tuple[Value, str | Fixed, str]]] = {}
    for source in sources:
        groups.setdefault(root(source[0]), []).append(source)
    ranges: dict[Value, tuple[FakeQuant, int]] = {}
    for members in groups.values():
        scales = {scale for _, scale, _ in members}
        if len(scales) == 1 and isinstance(next(iter(scales)), Fixed):
            continue
        layer = FakeQuant(len(members), name=expansion.name(f"{members[0][2]}_range"))
        ranges.update((value, (layer, i)) for i, (value, _, _) in enumerate(members))
    return ranges


def _tensors(piece: Piece) -> Iterator[Value]:
    for leaf in keras.tree.flatten((piece.args, dict(piece.kwargs))):
        if isinstance(leaf, Value):
            yield leaf
    yield from piece.outputs


def _link(
    plain: Any,
    expansion: Expansion,
    ranges: tuple[FakeQuant, ...],
) -> Links:
    """Match every weight of the plain model with its counterpart."""
    number = {id(weight): i for i, weight in enumerate(plain.weights)}
    holders = tuple(expansion.holders)
    keepers = {id(h.layer.kernel): h for h in holders if h.keep is not None}
    weights = [
        (number[id(old)], new, keepers.get(id(new)))
        for layer, twins in expansion.twins
        for old, new in zip(
            layer.weights, [weight for twin in twins for weight in twin.weights], strict=True
        )
    ]
    if len({index for index, _, _ in weights}) != len(number):
        raise UnsupportedModelError(
            f"Model {plain.name!r} has weights that do not belong to a layer between its inputs "
            "and outputs.",
            "Remove them: an export would lose them.",
        )
    return Links(tuple(weights), holders, ranges)
