"""Affine: what happens to real values of an input before they become int8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.document import declared, entry

Array: TypeAlias = np.ndarray[Any, Any]


@declared("lifted_layer")
@dataclass(frozen=True, slots=True)
class Layer:
    """A Keras layer that is computed before the input becomes int8.

    Attributes:
        name: the user's, untrusted.
        kind: its class, like "Normalization".
    """

    name: str = entry("Untrusted text.")
    kind: str = entry("Its class in Keras.")

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


@declared(
    "lifted",
    "Layers at the head of the Keras model that are not in the .tflite: the generated quantise "
    "functions compute (x - mean) / deviation in float32 from a real value x, then round to int8.",
)
@dataclass(frozen=True, slots=True)
class Affine:
    """The layers at the head of a model, lifted out of it: (x - mean) / deviation.

    Attributes:
        mean, deviation: float32 values, one for all elements of the input, one for each index of
            its last axis, or one for each element.
        layers: that compute this in the Keras model, in order.

    Raises:
        ValueError: there are no numbers, or not as many of both, or they are not finite numbers of
            float32, or a deviation is 0.
    """

    mean: tuple[float, ...] = entry(
        "float32, one for all elements, one for each index of the last axis, or one for each "
        "element.",
        schema={"minItems": 1},
    )
    deviation: tuple[float, ...] = entry("float32, as many as of mean.", schema={"minItems": 1})
    layers: tuple[Layer, ...] = entry("That compute this in the Keras model, in order.", default=())

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.deviation):
            raise ValueError("one mean and one deviation for each feature")
        numbers = np.array([self.mean, self.deviation], np.float64)
        with np.errstate(over="ignore"):
            narrow = numbers.astype(np.float32)
        if not (np.isfinite(narrow).all() and (narrow == numbers).all() and narrow[1].all()):
            raise ValueError("finite numbers of float32, and deviations other than 0")

    @classmethod
    def of(
        cls, mean: Array, deviation: Array, shape: Sequence[int], layers: Sequence[Layer]
    ) -> Affine:
        """The most compact form of two arrays that can be broadcast to the shape of a sample.

        Raises:
            ValueError: the numbers are not finite in float32, or a deviation is 0.
        """
        with np.errstate(over="ignore"):
            full = [np.broadcast_to(a, shape).astype(np.float32) for a in (mean, deviation)]
        channels = shape[-1] if shape else 1
        pairs = np.stack(full, -1).reshape(-1, channels, 2)
        if (pairs == pairs[0, 0]).all():
            pairs = pairs[:1, :1]
        elif (pairs == pairs[0]).all():
            pairs = pairs[:1]
        means, deviations = pairs.reshape(-1, 2).T.tolist()
        return cls(tuple(means), tuple(deviations), tuple(layers))

    @property
    def count(self) -> int:
        """How many numbers mean and deviation have: the features."""
        return len(self.mean)

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether it has a number for everything, the last axis or every element of this shape."""
        return self.count in {1, *shape[-1:], math.prod(shape)}
