"""The layers of a quantisation-aware Keras 3 model: ranges of activations, and rounded weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tflm_ext.qat.linear import BITS, KINDS, rounded_weights

PACKAGE = "tflm_ext"

# An activation that is always zero gets this range: a scale must be positive.
_EMPTY = 1e-6

_register = keras.saving.register_keras_serializable(package=PACKAGE)


@_register
class FakeQuant(keras.layers.Layer):  # type: ignore[misc]
    """Round activations to the 256 steps of a range that is learnt while training.

    The range is the moving average of the smallest and the largest value of each batch; it always
    contains zero. Several tensors that share one scale in TensorFlow Lite, like the inputs of a
    CONCATENATION, are members of one FakeQuant, whose range covers them all. Before the first
    batch of a training, values pass as they are. With trainable=False, the range stays.

    Args:
        members: number of tensors that share the range.
        momentum: of the moving average; the first batches are averaged evenly.
        **options: of a layer.
    """

    def __init__(self, members: int = 1, momentum: float = 0.99, **options: Any) -> None:
        super().__init__(**options)
        self.members = members
        self.momentum = momentum
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the variables of the range."""

        def variable(name: str, *shape: int) -> Any:
            return self.add_weight(
                shape=shape,
                initializer="zeros",
                trainable=False,
                aggregation="mean",
                name=name,
                dtype="float32",
            )

        self.lows = variable("lows", self.members)
        self.highs = variable("highs", self.members)
        self.batches = variable("batches", self.members)
        self.low = variable("low")
        self.high = variable("high")

    def call(self, x: Any, member: int = 0, training: bool = False) -> Any:
        """The values of one member, rounded."""
        if training and self.trainable:
            self._learn(x, member)
        rounded = keras.quantizers.fake_quant_with_min_max_vars(
            x, ops.convert_to_tensor(self.low), ops.convert_to_tensor(self.high), num_bits=BITS
        )
        # The converter folds this away: the count is a constant there.
        return ops.where(self.high > self.low, rounded, x)

    def _learn(self, x: Any, member: int) -> None:
        x = ops.stop_gradient(x)
        smallest = ops.minimum(ops.min(x), 0.0)
        largest = ops.maximum(ops.max(x), 0.0)
        usable = ops.isfinite(largest - smallest)
        mine = ops.cast(ops.arange(self.members) == member, "float32")
        mine = mine * ops.cast(usable, "float32")
        rate = mine * ops.maximum(1.0 / (self.batches + 1.0), 1.0 - self.momentum)
        smallest, largest = (ops.where(usable, end, 0.0) for end in (smallest, largest))
        self.lows.assign_add(rate * (smallest - self.lows))
        self.highs.assign_add(rate * (largest - self.highs))
        self.batches.assign_add(mine)
        low, high = ops.min(self.lows), ops.max(self.highs)
        self.low.assign(low)
        self.high.assign(ops.where(high - low < _EMPTY, low + 1.0, high))

    def compute_output_shape(self, input_shape: Any, **_: Any) -> Any:
        """The same shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "members": self.members, "momentum": self.momentum}


class _Holder(keras.layers.Layer):  # type: ignore[misc]
    """A layer with plain Keras layers inside, of which only the variables are used."""

    def __init__(self, layer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.layer = layer
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer with the layers inside."""
        inner = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("layer", "batch_norm")
            if config.get(key)
        }
        return cls(**{**config, **inner})


@_register
class QuantizedLayer(_Holder):
    """A convolution or a Dense with int8 weights and a BatchNormalization folded into them.

    While training, the normalisation uses the batch as ever; the weights are rounded as they will
    be when its moving statistics are folded in. In inference they are folded in. The activation is
    a separate layer after this one.

    Args:
        layer: Conv1D, Conv2D, one of their depthwise or transposed forms, or Dense, without an
            activation.
        batch_norm: the BatchNormalization that follows.
        keep: what training must not undo: None, "sparsity" (zero weights stay zero), or the number
            of different weights of a clustered kernel (equal weights stay equal, zeros zero).
        **options: of a layer.
    """

    def __init__(
        self,
        layer: Any,
        batch_norm: Any = None,
        keep: str | int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layer, **options)
        self.batch_norm = batch_norm
        self.keep = keep
        self.kind = KINDS[type(layer).__name__]

    def build(self, input_shape: Any) -> None:
        """Make the variables of the layers inside, and of what is kept."""
        if not self.layer.built:
            self.layer.build(input_shape)
        if self.batch_norm is not None and not self.batch_norm.built:
            self.batch_norm.build(self.layer.compute_output_shape(input_shape))
        shape = self.layer.kernel.shape
        if self.keep == "sparsity":
            self.mask = self.add_weight(
                shape=shape, initializer="ones", trainable=False, name="mask"
            )
        elif self.keep is not None:
            self.layer.kernel.trainable = False
            self.centroids = self.add_weight(
                shape=(self.keep,),
                initializer="zeros",
                name="centroids",
                trainable=self.layer.trainable,
            )
            self.shares = self.add_weight(
                shape=(self.keep,), initializer="ones", trainable=False, name="shares"
            )
            self.members = self.add_weight(
                shape=shape, initializer="zeros", trainable=False, name="members", dtype="int32"
            )

    def start(self) -> None:
        """Take masks or clusters from the kernel's present values."""
        kernel = self.layer.kernel.numpy()
        if self.keep == "sparsity":
            self.mask.assign((kernel != 0).astype(kernel.dtype))
        elif self.keep is not None:
            values, members, counts = np.unique(kernel, return_inverse=True, return_counts=True)
            self.centroids.assign(values)
            # A cluster of zeros never moves: it has no share in any gradient.
            self.shares.assign(np.where(values == 0, 0, 1 / counts))
            self.members.assign(members.reshape(kernel.shape))

    @property
    def kernel(self) -> Any:
        """The weights before they are rounded: masked, or those of their clusters."""
        if self.keep is None:
            return ops.convert_to_tensor(self.layer.kernel)
        if self.keep == "sparsity":
            return self.layer.kernel * self.mask
        # A cluster moves by the mean of its members' gradients, not by their sum.
        share = self.centroids * self.shares
        centroids = share + ops.stop_gradient(self.centroids - share)
        return ops.take(centroids, self.members, axis=0)

    def _fold(self) -> tuple[Any, Any]:
        """Factor per output channel and offset of the moving statistics."""
        norm = self.batch_norm
        factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            factor = factor * norm.gamma
        offset = -norm.moving_mean * factor
        return factor, offset + norm.beta if norm.center else offset

    def folded_kernel(self) -> Any:
        """The weights as the .tflite has them, before they are rounded, spread for rounding."""
        kernel = self.kind.spread(self.kernel)
        if self.batch_norm is None:
            return kernel
        return kernel * self.kind.along(self._fold()[0])

    def call(self, x: Any, training: bool = False) -> Any:
        """The layer's linear part and the normalisation."""
        shape = self.layer.kernel.shape
        kernel = rounded_weights(self.folded_kernel(), self.kind.axis)
        bias = self.layer.bias if self.layer.use_bias else None
        norm = self.batch_norm
        normalise = norm is not None and training and norm.trainable
        if normalise:
            factor = self.kind.along(ops.stop_gradient(self._fold()[0]))
            tiny = 1e-6 * ops.max(ops.abs(factor)) + 1e-12
            kernel = kernel / ops.where(ops.abs(factor) < tiny, tiny, factor)
        elif norm is not None:
            factor, offset = self._fold()
            bias = offset if bias is None else offset + bias * factor
        y = self.kind.linear(self.layer, x, self.kind.gather(kernel, shape))
        if bias is not None:
            y = y + bias
        return norm(y, training=True) if normalise else y

    def compute_output_shape(self, input_shape: Any, **_: Any) -> Any:
        """As the layer has it."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        norm = self.batch_norm
        return {
            **super().get_config(),
            "batch_norm": norm and keras.saving.serialize_keras_object(norm),
            "keep": self.keep,
        }


@_register
class QuantizedAffine(_Holder):
    """A Rescaling, a Normalization or a BatchNormalization that is not folded: MUL, then ADD.

    Args:
        layer: the layer.
        **options: of a layer.
    """

    def __init__(self, layer: Any, **options: Any) -> None:
        super().__init__(layer, **options)
        self.product = FakeQuant(name="product")

    def build(self, input_shape: Any) -> None:
        """Make the variables of the layer and of the product's range."""
        if not self.layer.built:
            self.layer.build(input_shape)
        self.product.build(input_shape)

    def _constants(self) -> tuple[Any, Any]:
        layer = self.layer
        match type(layer).__name__:
            case "Rescaling":
                return (
                    ops.convert_to_tensor(layer.scale, "float32"),
                    ops.convert_to_tensor(layer.offset, "float32"),
                )
            case "Normalization":
                factor = 1.0 / ops.maximum(ops.sqrt(layer.variance), keras.config.epsilon())
                return factor, -layer.mean * factor
            case _:
                factor = ops.rsqrt(layer.moving_variance + layer.epsilon)
                if layer.scale:
                    factor = factor * layer.gamma
                offset = -layer.moving_mean * factor
                return factor, offset + layer.beta if layer.center else offset

    def call(self, x: Any, training: bool = False) -> Any:
        """Multiply and add; while a normalisation trains, with the batch's own statistics."""
        factor, offset = self._constants()
        product = x * factor
        rounded = self.product(product, training=training)
        if training and self.layer.trainable and type(self.layer).__name__ == "BatchNormalization":
            return self.layer(x, training=True) + ops.stop_gradient(rounded - product)
        return rounded + offset

    def compute_output_shape(self, input_shape: Any, **_: Any) -> Any:
        """The same shape."""
        return input_shape


_FORMULAS: Mapping[str, Callable[[Any], Any]] = {
    # In these words the converter knows HARD_SWISH.
    "hard_silu": lambda x: x * (ops.relu6(x + 3.0) * (1.0 / 6.0)),
    "relu6_of_x_plus_3": lambda x: ops.relu6(x + 3.0),
    "sixth": lambda x: x * (1.0 / 6.0),
}


@_register
class Formula(keras.layers.Layer):  # type: ignore[misc]
    """An elementwise function written as the converter reads it best.

    Args:
        formula: "hard_silu", "relu6_of_x_plus_3" or "sixth".
        **options: of a layer.
    """

    def __init__(self, formula: str, **options: Any) -> None:
        super().__init__(**options)
        self.formula = formula
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        """The function's values."""
        return _FORMULAS[self.formula](x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The same shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "formula": self.formula}
