"""SparsityCallback: trains towards weights with a given fraction of zeros."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.compression.patterns import BLOCK, Mask, Units, scheduled
from tflm_ext.compression.recipe import PATTERNS
from tflm_ext.compression.weights import Kernel, Values, WeightsCallback, share, whole
from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of

SCHEDULES = ("polynomial", "constant")


@dataclass(frozen=True, slots=True)
class LayerSparsity:
    """The result for one kernel.

    Attributes:
        layer: name of the layer.
        weights: name of the weights within it, like "kernel"; "" for a layer left alone.
        size: number of weights.
        zeros: how many of them are zero.
        reason: why the layer was left alone, or "".
    """

    layer: str
    weights: str = ""
    size: int = 0
    zeros: int = 0
    reason: str = ""

    @property
    def sparsity(self) -> float:
        """Fraction of zeros, 0 to 1."""
        return self.zeros / self.size if self.size else 0.0


def _units(kernel: Kernel, weights: Values, pattern: str) -> Units:
    rows = _inputs_last(kernel, weights)
    return Units.of(rows.reshape(-1, rows.shape[-1]), pattern)


def _inputs_last(kernel: Kernel, weights: Values) -> Values:
    assert kernel.input_axis is not None
    return np.moveaxis(weights, kernel.input_axis, -1)


def _inputs_back(kernel: Kernel, mask: Mask) -> Mask:
    assert kernel.input_axis is not None
    return np.moveaxis(mask, -1, kernel.input_axis)


def _multiplier(kernels: Sequence[Kernel]) -> Any:
    """Return a function that applies all masks in one call, which is faster than many calls."""

    @tf.function  # type: ignore[untyped-decorator]
    def multiply(masks: list[Any]) -> None:
        for kernel, mask in zip(kernels, masks, strict=True):
            for variable in kernel.replicas:
                variable.assign(variable * mask)

    return multiply


class SparsityCallback(WeightsCallback):
    """Sets a fraction of the weights to zero during fit() and keeps them at zero.

    The compiled runtime does not benefit: it stores and multiplies "1x4", "2:4" and "unstructured"
    zeros like all other weights, so flash, RAM and time stay the same. To make a model smaller and
    faster on every runtime, use tflm_ext.prune_channels(). Use this callback before
    tflm_ext.encode(), which trades RAM and time for flash in TensorFlow Lite Micro's interpreter;
    for a custom kernel that skips blocks; for a file that is sent compressed; or to see what
    sparsity would cost in accuracy.

    In every kernel, the weights with the smallest magnitude become zero. Training continues with
    the others, with your own loss, metrics, sample weights and callbacks; nothing is wrapped. The
    zeros are also zeros in the int8 model.

    Put it last in callbacks=, after EarlyStopping and everything else that restores weights.

    Args:
        final_sparsity: fraction of each kernel that is zero in the end, in [0, 1), exceeded by at
            most one block; 0.5 for "2:4".
        pattern: "1x4": blocks of four input channels of one output (the axis along which int8
            kernels read) become zero together; "2:4": two of every four input channels are zero
            (Mishra et al., 2021, "Accelerating Sparse Deep Neural Networks"); "unstructured": any
            weights. "1x4" and "2:4" do not change kernels with fewer than four input channels. No
            pattern changes depthwise convolutions, in which each output has one input channel.
        schedule: "polynomial": more each epoch, quickly at first (Zhu and Gupta, 2017, "To prune,
            or not to prune"); "constant": all at once in begin_epoch.
        begin_epoch: first epoch with zeros, counted from 0.
        end_epoch: epoch from which the sparsity is final; fit() has to reach it. By default, two
            thirds of the way from begin_epoch to the last epoch. "constant" is final from
            begin_epoch; there, end_epoch is only the epoch that fit() has to reach.
        layers: layers, or names of layers, including the layers inside them; by default all.

    Attributes:
        report: one row per kernel and per layer that is not changed, for the current state of the
            model.

    Raises:
        ConfigError: an argument is out of range. From fit(): it is too short for the schedule or
            stopped before the sparsity was final, no layer can be made sparse, or the loss is not
            finite.

    Example:
        >>> callback = SparsityCallback(0.75, pattern="1x4", end_epoch=6)
        >>> SparsityCallback.from_config(callback.get_config()).final_sparsity
        0.75
    """

    what = "made sparse"

    def __init__(
        self,
        final_sparsity: float,
        *,
        pattern: str = "1x4",
        schedule: str = "polynomial",
        begin_epoch: int = 0,
        end_epoch: int | None = None,
        layers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(begin_epoch, layers)
        self.final_sparsity = share(final_sparsity, "final_sparsity")
        for name, value, known in (
            ("pattern", pattern, PATTERNS),
            ("schedule", schedule, SCHEDULES),
        ):
            one_of(name, value, known)
        if pattern == "2:4" and self.final_sparsity != 0.5:
            raise ConfigError(
                f'final_sparsity={final_sparsity!r} does not go with pattern="2:4".',
                "Pass 0.5: two of four weights are half of them.",
            )
        if end_epoch is not None:
            end_epoch = whole(end_epoch, "end_epoch", self.begin_epoch)
        self.pattern = pattern
        self.schedule = schedule
        self.end_epoch = end_epoch
        self._end = 0
        self._masks: list[Any] = []

    def get_config(self) -> dict[str, Any]:
        return {
            "final_sparsity": self.final_sparsity,
            "pattern": self.pattern,
            "schedule": self.schedule,
            "begin_epoch": self.begin_epoch,
            "end_epoch": self.end_epoch,
            "layers": self._layer_names(),
        }

    @property
    def report(self) -> tuple[LayerSparsity, ...]:
        rows = []
        for kernel in self.kernels:
            weights = kernel.values()
            zeros = int((weights == 0).sum())
            rows.append(LayerSparsity(kernel.layer, kernel.weights, weights.size, zeros))
        rows += [LayerSparsity(left.layer, reason=left.reason) for left in self.left_alone]
        return tuple(rows)

    @property
    def saving(self) -> str:
        """The gain of the current form, in one line."""
        return (
            f"{self.pattern} sparsity {self.final_sparsity:.0%}: the compiled runtime stores "
            "zeros like other weights, so nothing is saved; prune_channels() makes a model smaller"
        )

    def sparsity(self, epoch: int) -> float:
        """Return the fraction of zeros that is scheduled for an epoch of this fit()."""
        return self.final_sparsity * scheduled(epoch, self.begin_epoch, self._end)

    def _refusal(self, kernel: Kernel) -> str:
        if kernel.input_axis is None:
            return "depthwise, one input channel for each output"
        channels = kernel.shape[kernel.input_axis]
        width = 1 if self.pattern == "unstructured" else BLOCK
        if channels < width:
            return f"{channels} input channels, less than a block of {width}"
        if math.prod(kernel.shape) <= width:
            return "it has only one block"
        return ""

    def _start(self, epochs: int) -> None:
        last = epochs - 1
        if self.schedule == "constant":
            self._end = self.begin_epoch
        elif self.end_epoch is None:
            self._end = self.begin_epoch + max(0, 2 * (last - self.begin_epoch) // 3)
        else:
            self._end = self.end_epoch
        needed = max(self._end, self.end_epoch or 0)
        if needed > last:
            name = "begin_epoch" if self.end_epoch is None else "end_epoch"
            raise ConfigError(
                f"{name}={needed} is out of range: fit(epochs={epochs}) ends before that epoch.",
                f"Pass epochs={needed + 1} or more to fit(), or a smaller {name} to the callback.",
            )
        self._masks = []
        self._multiply = _multiplier(self.kernels)

    def _part(self, sparsity: float) -> float:
        """Return the fraction of the weights that may become zero; with "2:4", this is half."""
        return 2 * sparsity if self.pattern == "2:4" else sparsity

    def _begin(self, epoch: int) -> None:
        sparsity = self.sparsity(epoch)
        if sparsity == 0 or (self._masks and epoch > self._end):
            return
        self._masks = []
        for kernel, weights in zip(self.kernels, self._values(), strict=True):
            inputs_last = _inputs_last(kernel, weights)
            units = _units(kernel, weights, self.pattern)
            # A model that is already sparse does not return to the start of the schedule.
            before = min(units.zeros(), units.wanted(self._part(self.final_sparsity)))
            wanted = max(units.wanted(self._part(sparsity)), before)
            keep = units.keep(wanted, inputs_last.shape[-1])
            mask = _inputs_back(kernel, keep.reshape(inputs_last.shape))
            self._masks.append(tf.constant(mask, kernel.variable.dtype))
        self._apply()

    def _apply(self) -> None:
        if self._masks:
            self._multiply(self._masks)

    def on_train_end(self, logs: Any = None) -> None:
        """Check that the model is as sparse as it should be.

        Raises:
            ConfigError: fit() ended before the sparsity was final.
        """
        missing = self._missing()
        if missing and self._epoch >= self._end:
            self._apply()
            missing = self._missing()
            if not missing:
                warnings.warn(
                    "Another callback or the optimizer restored weights that were not sparse. "
                    "They are sparse now, but have not been trained since.",
                    stacklevel=2,
                )
        self._masks = []
        if missing:
            raise ConfigError(
                f"fit() ended with epoch {self._epoch}, before the sparsity was final in epoch"
                f" {self._end}: {missing}.",
                f"Let EarlyStopping begin later (start_from_epoch={self._end + 1}), or pass a "
                "smaller end_epoch to the callback.",
            )

    def _missing(self) -> str:
        """Describe the first kernel that is not as sparse as it should be; "" if there is none."""
        for kernel, weights in zip(self.kernels, self._values(), strict=True):
            units = _units(kernel, weights, self.pattern)
            if units.zeros() < units.wanted(self._part(self.final_sparsity)):
                zero = units.zeros() / weights.size
                return f"layer {kernel.layer!r} has {zero:.0%} of {self.final_sparsity:.0%}"
        return ""
