"""Code shared by callbacks that constrain weights: selects weights, and hooks into fit().

One class serves both libraries; see callback.py. The hooks work on the TensorFlow variables inside
both kinds of models, one for each replica of a tf.distribute strategy. They call operators on these
variables directly: the layers above would need more time after every batch than the arithmetic.
"""

from __future__ import annotations

import difflib
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tflm_ext.compression.arguments import is_number, is_whole
from tflm_ext.compression.callback import TrainingCallback
from tflm_ext.compression.checks import check_weights
from tflm_ext.errors import ConfigError

Values = npt.NDArray[np.floating[Any]]

# Class -> its kernels: attribute, axis of the input channels, axes of the quantisation channels.
_DENSE = ("kernel", -2, (-1,))
_TRANSPOSED = ("kernel", -1, (-2,))
_DEPTHWISE = (("depthwise_kernel", None, (-2, -1)), ("kernel", None, (-2, -1)))
_SEPARABLE = (("depthwise_kernel", None, (-2, -1)), ("pointwise_kernel", -2, (-1,)))
_RECURRENT = (("cell.kernel", -2, (-1,)), ("cell.recurrent_kernel", -2, (-1,)))
_KERNELS: dict[str, tuple[tuple[str, int | None, tuple[int, ...]], ...]] = {
    "Dense": (_DENSE,),
    "Conv1D": (_DENSE,),
    "Conv2D": (_DENSE,),
    "Conv1DTranspose": (_TRANSPOSED,),
    "Conv2DTranspose": (_TRANSPOSED,),
    "DepthwiseConv1D": _DEPTHWISE,
    "DepthwiseConv2D": _DEPTHWISE,
    "SeparableConv1D": _SEPARABLE,
    "SeparableConv2D": _SEPARABLE,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """The weights of a layer that multiply its input.

    Attributes:
        layer: name of the layer.
        weights: name of the weights within it, like "kernel".
        variable: tf.Variable.
        input_axis: axis along which products are summed; None for a depthwise convolution.
        channel_axes: axes along which each index has a separate scale in TensorFlow Lite.
    """

    layer: str
    weights: str
    variable: Any
    input_axis: int | None
    channel_axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.variable.shape)

    @property
    def replicas(self) -> tuple[Any, ...]:
        """Return the variables of all replicas of a tf.distribute strategy, or the only one."""
        return getattr(self.variable, "values", None) or (self.variable,)

    def values(self) -> Values:
        """Return the weights, as float64 if they have that type, or else as float32."""
        values: Values = self.variable.numpy()
        return values if values.dtype == np.float64 else values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A layer whose weights are not changed, and why."""

    layer: str
    reason: str


def read(variable: Any) -> Any:
    """Return the value of a variable."""
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)


def assign(variable: Any, value: Any) -> None:
    """Set a variable, after converting the value to its type."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def _layers(model: Any) -> list[Any]:
    """Return all layers, including those in nested models and wrappers, for both libraries."""
    return list(model._flatten_layers(include_self=False))


def _kernels(layer: Any) -> list[Kernel]:
    """Return the kernels of one layer; subclasses are treated like their nearest known class."""
    bases = (b for b in type(layer).__mro__ if b.__module__.split(".")[0] in {"keras", "tf_keras"})
    found = next((_KERNELS[b.__name__] for b in bases if b.__name__ in _KERNELS), ())
    kernels: dict[int, Kernel] = {}
    for path, input_axis, channel_axes in found:
        try:
            variable = attrgetter(path)(layer)
        except AttributeError:  # tf_keras' depthwise_kernel is called kernel in Keras 3
            continue
        variable = variable.value if isinstance(variable, keras.Variable) else variable
        if hasattr(variable, "assign"):  # with LoRA it is a sum
            name = path.rpartition(".")[2]
            kernel = Kernel(layer.name, name, variable, input_axis, channel_axes)
            kernels.setdefault(id(variable), kernel)
    return list(kernels.values())


def _named(model: Any, layers: Sequence[Any]) -> list[Any]:
    """Return the layers that the user named or passed."""
    known = _layers(model)
    names = sorted({layer.name for layer in known})
    chosen = []
    for wanted in layers:
        if isinstance(wanted, str):
            found = [layer for layer in known if layer.name == wanted]
        else:
            found = [layer for layer in known if layer is wanted]
        if not found:
            name = wanted if isinstance(wanted, str) else getattr(wanted, "name", repr(wanted))
            near = difflib.get_close_matches(name, names, 3) or names[:10]
            what = "has no layer" if isinstance(wanted, str) else "does not contain the layer"
            raise ConfigError(
                f"Model {model.name!r} {what} {name!r}.",
                f"Choose from: {', '.join(near)}.",
            )
        chosen += found
    return chosen


def find_kernels(
    model: Any, layers: Sequence[Any] | None, refusal: Callable[[Kernel], str], what: str
) -> tuple[list[Kernel], list[LeftAlone]]:
    """Return the weights to work on, and the layers left alone.

    Args:
        model: of either library.
        layers: names or layers chosen by the user, including everything inside; None means all.
        refusal: returns why weights are not suitable, or "".
        what: the operation, for messages, like "made sparse".

    Raises:
        ConfigError: a layer does not exist, or no layer is suitable.
    """
    chosen = _layers(model) if layers is None else _named(model, layers)
    kernels: dict[int, Kernel] = {}
    left: dict[str, LeftAlone] = {}
    for top in chosen:
        found = False
        for layer in dict.fromkeys([top, *_layers(top)]):
            reasons = []
            for kernel in _kernels(layer):
                reason = refusal(kernel) if layer.trainable else "frozen: trainable is False"
                reasons += [f"{kernel.weights}: {reason}"] if reason else []
                if not reason:
                    found = True
                    kernels.setdefault(id(kernel.variable), kernel)
            if reasons:
                left[layer.name] = LeftAlone(layer.name, "; ".join(reasons))
        if layers is not None and not found:
            why = left[top.name].reason if top.name in left else f"a {type(top).__name__}"
            raise ConfigError(
                f"Layer {top.name!r} cannot be {what} ({why}).",
                f"Remove it from layers=, or omit layers= to use all layers that can be {what}.",
            )
    if not kernels:
        why = ", ".join(f"{entry.layer} ({entry.reason})" for entry in left.values())
        raise ConfigError(
            f"Model {model.name!r} has no layer that can be {what}{': ' + why if why else ''}.",
            "It needs Dense, Conv1D, Conv2D or similar layers with trainable weights.",
        )
    return list(kernels.values()), list(left.values())


def whole(value: Any, name: str, least: int) -> int:
    """Check an argument that is a whole number.

    Raises:
        ConfigError: it is not a whole number, or less than the minimum.
    """
    if not is_whole(value, least):
        raise ConfigError(
            f"{name}={value!r} is out of range.", f"Pass a whole number of at least {least}."
        )
    return int(value)


def share(value: Any, name: str) -> float:
    """Check an argument that is a fraction of the weights.

    Raises:
        ConfigError: it is not a number in [0, 1).
    """
    if not is_number(value) or not 0 <= value < 1:
        raise ConfigError(
            f"{name}={value!r} is out of range.",
            "Pass a fraction from 0 to less than 1, like 0.75.",
        )
    return float(value)


class WeightsCallback(TrainingCallback):
    """Keeps weights in a certain form, such as sparse, while fit() trains them.

    A subclass determines the form and its first epoch. The form is restored after batches, so that
    a model saved during training has it. There is no state except the weights, so that
    fit(initial_epoch=...) can continue with a loaded model.
    """

    what: str

    def __init__(self, begin_epoch: int, layers: Sequence[Any] | None) -> None:
        super().__init__()
        self.begin_epoch = whole(begin_epoch, "begin_epoch", 0)
        if isinstance(layers, str):
            layers = [layers]
        try:
            self.layers = None if layers is None else tuple(layers)
        except TypeError as error:
            raise ConfigError(
                f"layers is a {type(layers).__name__}, not a list of layers.",
                "Pass layers or their names.",
            ) from error
        self.kernels: list[Kernel] = []
        self.left_alone: list[LeftAlone] = []
        self._epoch = -1

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def _layer_names(self) -> list[str] | None:
        if self.layers is None:
            return None
        return [layer if isinstance(layer, str) else layer.name for layer in self.layers]

    def on_train_begin(self, logs: Any = None) -> None:
        model = self.model
        if keras.config.backend() != "tensorflow" and isinstance(model, keras.Model):
            raise ConfigError(
                f"Keras runs on {keras.config.backend()}, but {type(self).__name__} needs "
                "TensorFlow.",
                "Set KERAS_BACKEND=tensorflow in the environment.",
            )
        if not model.built:
            raise ConfigError(
                f"Model {model.name!r} has no weights yet.",
                "Define its inputs, or call model.build(input_shape) before fit().",
            )
        check_weights(model, f"model {model.name!r}")
        epochs = (self.params or {}).get("epochs")
        if epochs is None:
            raise ConfigError(
                f"{type(self).__name__} does not know the number of epochs.",
                "Use it with fit(), or pass epochs= to the CallbackList.",
            )
        self._epoch = -1
        self.kernels, self.left_alone = find_kernels(model, self.layers, self._refusal, self.what)
        self._start(epochs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._begin(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise ConfigError(
                f"The loss is {float(loss)} after batch {batch} of epoch {self._epoch}.",
                "Lower the learning rate, and look for values in the data that are not finite.",
            )
        if self._due(batch):
            self._apply()

    def _due(self, batch: int) -> bool:
        """Whether the form is restored after this batch of the epoch, counted from 0."""
        return True

    def _values(self) -> list[Values]:
        """Return the current weights.

        Raises:
            ConfigError: some are not finite.
        """
        values = [kernel.values() for kernel in self.kernels]
        for kernel, weights in zip(self.kernels, values, strict=True):
            if not np.isfinite(weights).all():
                raise ConfigError(
                    f"Layer {kernel.layer!r} has weights that are not finite.",
                    "Go back to a model that was saved earlier, and lower the learning rate.",
                )
        return values

    @abstractmethod
    def _refusal(self, kernel: Kernel) -> str:
        """Return why weights are not suitable, or ""."""

    @abstractmethod
    def _start(self, epochs: int) -> None:
        """Check the schedule against the number of epochs."""

    @abstractmethod
    def _begin(self, epoch: int) -> None:
        """Choose the form for an epoch."""

    @abstractmethod
    def _apply(self) -> None:
        """Bring the weights into the chosen form."""
