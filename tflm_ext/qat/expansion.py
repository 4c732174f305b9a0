"""The operators of TensorFlow Lite that a Keras model becomes, as calls of a new model.

TensorFlow Lite rounds the output of an operator with a scale of the output's own (OWN), with one
that the operator fixes (a Fixed), or with that of the inputs (SAME). What an operator computes
inside, like the sum before its relu, is not rounded (HIDDEN).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeAlias

import keras

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.qat.flatten import Call, Flat, Value
from tflm_ext.qat.layers import Formula, QuantizedLayer

Keep: TypeAlias = str | int | None
Rule: TypeAlias = "Callable[[Expansion, Call], None]"
"""Adds the pieces of a call."""


@dataclass(frozen=True)
class Fixed:
    """A fixed range of an operator's output.

    Attributes:
        low: smallest value.
        high: largest value.
    """

    low: float
    high: float


OWN, SAME, HIDDEN = "own", "same", "hidden"
_UNIT = Fixed(0.0, 255 / 256)
_BOUNDED = {"sigmoid": _UNIT, "softmax": _UNIT, "tanh": Fixed(-1.0, 127 / 128)}


@dataclass(frozen=True, eq=False)
class Piece:
    """One operator of TensorFlow Lite, as a call in the new model.

    Attributes:
        operation: layer or operation that computes it.
        args: with Values in place of tensors.
        kwargs: with Values in place of tensors.
        outputs: the tensors that it returns.
        scale: OWN, SAME, HIDDEN or a Fixed: how the outputs are rounded.
        fuses: whether a relu after it becomes part of the operator.
        ranged: for SAME, whether the output has values that the inputs' range may not cover.
    """

    operation: Any
    args: tuple[Any, ...]
    outputs: tuple[Value, ...]
    scale: str | Fixed
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    fuses: bool = False
    ranged: bool = False


class Expansion:
    """The pieces of a model.

    Args:
        flat: the model.
        rule_of: gives the rule for a kind of layer or operation.
        keep: decides for each kernel what training must preserve.

    Raises:
        UnsupportedModelError: a layer has no quantisation-aware form.
    """

    def __init__(
        self, flat: Flat, rule_of: Callable[[str], Rule], keep: Callable[[Any], Keep]
    ) -> None:
        self.flat = flat
        self.rule_of = rule_of
        self.keep = keep
        self.pieces: list[Piece] = []
        # Layers of the given model, with the layers that have their weights now.
        self.twins: list[tuple[Any, tuple[Any, ...]]] = []
        self.holders: list[QuantizedLayer] = []
        self._layers: dict[tuple[int, str], Any] = {}
        self._names: Counter[str] = Counter()
        self._uses = Counter(value for call in flat.calls for value in call.inputs)
        self._uses.update(flat.outputs)
        self._calls = Counter(id(call.operation) for call in flat.calls)
        self._producers: dict[Value, int] = {}
        self._folded: set[int] = set()
        for call in flat.calls:
            if id(call) not in self._folded:
                self._expand(call)

    def _expand(self, call: Call) -> None:
        if getattr(call.operation, "quantization_mode", None) is not None:
            self.refuse(call, "Build it without Keras' quantize().")
        if getattr(call.operation, "data_format", None) == "channels_first":
            self.refuse(call, "Build it with data_format='channels_last'.")
        self.rule_of(call.kind)(self, call)

    def refuse(self, call: Call, hint: str) -> NoReturn:
        """Raise the error about a layer."""
        what = "layer" if isinstance(call.operation, keras.layers.Layer) else "operation"
        raise UnsupportedModelError(
            f"{what.capitalize()} {call.operation.name!r} ({type(call.operation).__name__}) has no"
            " quantisation-aware form.",
            hint,
        )

    def name(self, wanted: str) -> str:
        """Return a name that no other layer of the new model has."""
        self._names[wanted] += 1
        if self._names[wanted] == 1:
            return wanted
        return self.name(f"{wanted}_{self._names[wanted] - 1}")

    def once(self, call: Call, part: str, make: Callable[[], Any]) -> Any:
        """Return the new layer for a part of a layer; all calls of the layer share it."""
        key = (id(call.operation), part)
        if key not in self._layers:
            self._layers[key] = make()
        return self._layers[key]

    def emit(self, piece: Piece) -> None:
        """Add a piece."""
        for value in piece.outputs:
            self._producers[value] = len(self.pieces)
        self.pieces.append(piece)

    def copy(self, call: Call) -> Any:
        """Return a copy of the layer or operation that is called."""

        def make() -> Any:
            old = call.operation
            if not isinstance(old, keras.layers.Layer):
                new = type(old).from_config(old.get_config())
                new.name = self.name(old.name)
                return new
            new = clone(old, name=self.name(old.name))
            self.twins.append((old, (new,)))
            return new

        return self.once(call, "", make)

    def copied(self, call: Call, scale: str | Fixed, *, fuses: bool = False) -> None:
        """Add a call of a layer as it is."""
        self.emit(Piece(self.copy(call), call.args, call.outputs, scale, call.kwargs, fuses))

    def activate(self, call: Call, x: Value, activation: str) -> None:
        """Add an activation, by its Keras name; its output becomes the output of the call."""
        (out,) = call.outputs
        options = _regularizer(call.operation) if activation != "linear" else {}

        def layer(part: str, make: Callable[..., Any], *args: Any) -> Any:
            wanted = f"{call.operation.name}_{part}"
            return self.once(call, part, lambda: make(*args, name=self.name(wanted), **options))

        plain = layer(activation, keras.layers.Activation, activation)
        match activation:
            case "linear":
                self.emit(Piece(plain, (x,), (out,), SAME))
            case "relu" | "relu6":
                self.emit(self._rectified(plain, x, out))
            case "sigmoid" | "softmax" | "tanh":
                self.emit(Piece(plain, (x,), (out,), _BOUNDED[activation]))
            case "silu" | "leaky_relu":
                self.emit(Piece(plain, (x,), (out,), OWN))
            case "hard_silu":
                formula = layer("formula", Formula, activation)
                self.emit(Piece(formula, (x,), (out,), OWN))
            case "hard_sigmoid":
                bent, middle = layer("bent", Formula, "relu6_of_x_plus_3"), like(out)
                self.emit(Piece(bent, (x,), (middle,), OWN))
                self.emit(Piece(layer("formula", Formula, "sixth"), (middle,), (out,), OWN))
            case _:
                self.refuse(
                    call,
                    f"Replace the activation {activation!r} with relu, relu6, leaky_relu, "
                    "hard_silu, hard_sigmoid, silu, sigmoid, tanh or softmax.",
                )

    def _rectified(self, layer: Any, x: Value, out: Value) -> Piece:
        """Return a relu: part of the operator before it, or with the scale of moved data."""
        piece = Piece(layer, (x,), (out,), OWN)
        producer = self._producers.get(x)
        if producer is None:
            return piece
        before = self.pieces[producer]
        if before.fuses and self._uses[x] <= 1:
            self.pieces[producer] = replace(before, scale=HIDDEN)
        elif before.scale == SAME:
            # It may be merged into an operator whose input and output share one scale.
            return replace(piece, scale=SAME, ranged=True)
        return piece

    def weighted(self, call: Call) -> None:
        """Add a layer with a kernel, the normalisation after it, and its activation."""
        old = call.operation
        layers = self.once(call, "weighted", lambda: self._weighted(call))
        (x,) = call.inputs
        for layer in layers[:-1]:
            middle = Value((), x.dtype)
            self.emit(Piece(layer, (x,), (middle,), OWN))
            x = middle
        norm = self._foldable(call)
        if norm is not None:
            self._folded.add(id(norm))
            call = replace(call, outputs=norm.outputs, kwargs=norm.kwargs)
        fixed = {"training": call.kwargs["training"]} if "training" in call.kwargs else {}
        activation = activation_name(old)
        out = call.outputs[0] if activation == "linear" else like(call.outputs[0])
        self.emit(Piece(layers[-1], (x,), (out,), OWN, fixed, fuses=True))
        if activation != "linear":
            self.activate(call, out, activation)

    def _weighted(self, call: Call) -> tuple[QuantizedLayer, ...]:
        old, norm = call.operation, self._foldable(call)
        parts = _parts(old)
        self.twins.append((old, parts))
        last = {} if activation_name(old) != "linear" else _regularizer(old)
        if norm is not None:
            last["batch_norm"] = clone(norm.operation)
            self.twins.append((norm.operation, (last["batch_norm"],)))
        kernels = [weight for weight in old.weights if len(weight.shape) > 1]
        layers = tuple(
            QuantizedLayer(
                part,
                keep=self.keep(kernel),
                name=self.name(part.name),
                **(last if part is parts[-1] else {}),
            )
            for part, kernel in zip(parts, kernels, strict=True)
        )
        self.holders += layers
        return layers

    def _foldable(self, call: Call) -> Call | None:
        """Return the call of a BatchNormalization that int8 folds into a weighted layer."""
        (out,) = call.outputs
        if activation_name(call.operation) != "linear" or out in self.flat.outputs:
            return None
        after = [c for c in self.flat.calls if out in c.inputs]
        if len(after) != 1 or after[0].kind != "BatchNormalization":
            return None
        norm = after[0]
        alone = self._calls[id(call.operation)] == self._calls[id(norm.operation)] == 1
        return norm if alone and last_axis(norm) else None


def clone(layer: Any, **changes: Any) -> Any:
    """Return a new layer with the same configuration, in float32."""
    config = layer.get_config()
    if layer.dtype_policy.compute_dtype != layer.dtype_policy.variable_dtype:
        config["dtype"] = "float32"
    return type(layer).from_config({**config, **changes})


def activation_name(operation: Any) -> str:
    """Return Keras' name of a layer's activation."""
    function = getattr(operation, "activation", None)
    name = keras.activations.serialize(function) if function is not None else "linear"
    return name if isinstance(name, str) else str(getattr(function, "__name__", name))


def like(value: Value) -> Value:
    """A new tensor of the same shape and type."""
    return Value(value.shape, value.dtype)


def _regularizer(layer: Any) -> dict[str, Any]:
    found = getattr(layer, "activity_regularizer", None)
    return {"activity_regularizer": found} if found is not None else {}


def last_axis(call: Call) -> bool:
    """Whether a normalisation works along the last axis."""
    axis = call.operation.axis
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    return axis in {-1, len(call.inputs[0].shape) - 1}


def _parts(layer: Any) -> tuple[Any, ...]:
    """Return the layer without its activation; a separable convolution as two layers."""
    kind = type(layer).__name__
    if not kind.startswith("Separable"):
        return (clone(layer, activation=None, activity_regularizer=None),)
    config = layer.get_config()
    shared = {"padding": config["padding"], "trainable": config["trainable"], "dtype": "float32"}
    rank = kind[-2:]
    depthwise = getattr(keras.layers, f"DepthwiseConv{rank}")(
        config["kernel_size"],
        strides=config["strides"],
        dilation_rate=config["dilation_rate"],
        depth_multiplier=config["depth_multiplier"],
        use_bias=False,
        depthwise_regularizer=layer.depthwise_regularizer,
        depthwise_constraint=layer.depthwise_constraint,
        name=f"{layer.name}_depthwise",
        **shared,
    )
    pointwise = getattr(keras.layers, f"Conv{rank}")(
        config["filters"],
        1,
        use_bias=config["use_bias"],
        kernel_regularizer=layer.pointwise_regularizer,
        kernel_constraint=layer.pointwise_constraint,
        bias_regularizer=layer.bias_regularizer,
        bias_constraint=layer.bias_constraint,
        name=layer.name,
        **shared,
    )
    return depthwise, pointwise
