"""ModelFacts: what templates know about a model, regardless of the runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.ir.affine import Affine
from tflm_ext.ir.graph import DType, Limits, Quantization, Tensor
from tflm_ext.options import NO_VERSION
from tflm_ext.version import PAGE

Array: TypeAlias = np.ndarray[Any, Any]

SOFTMAX = Quantization((1 / 256,), (-128,))
"""That of every output of SOFTMAX, fixed by TensorFlow Lite."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of the model.

    Attributes:
        tensor_name: text from the model, untrusted; escape it wherever it is printed.
        limits: its element type, and the values that the model takes there: one for all elements,
            or one for each if they differ.
        quantization: what its elements stand for, with one scale; None if they are integers.
        name: what Keras or the signature calls it, "" if neither gives it a name; untrusted, too.
        symbol: part of its names in C: "input0", or "input_image" if there are several inputs.
        labels: names of its classes, untrusted; empty if none were given.
        affine: what becomes of real values before they become int8; None if nothing does.
    """

    tensor_name: str
    shape: tuple[int, ...]
    limits: tuple[Limits, ...]
    quantization: Quantization | None = None
    name: str = ""
    symbol: str = ""
    labels: tuple[str, ...] = ()
    affine: Affine | None = None

    @classmethod
    def of(cls, tensor: Tensor, limits: Sequence[Limits] = ()) -> Port:
        """The port at a tensor, which takes all values of its type unless limits are given."""
        each = tuple(limits) or (Limits.of(tensor.dtype),)
        each = each[:1] if len(set(each)) == 1 else each
        return cls(tensor.name, tensor.shape, each, tensor.quantization)

    @property
    def dtype(self) -> DType:
        return self.limits[0].dtype

    @property
    def takes_all(self) -> bool:
        """Whether it takes every value of its type."""
        return all(limits.whole for limits in self.limits)

    @property
    def lowest(self) -> Array:
        """The smallest value of each element, in its shape."""
        return self._filled([limits.low for limits in self.limits])

    @property
    def highest(self) -> Array:
        """The largest value of each element, in its shape."""
        return self._filled([limits.high for limits in self.limits])

    def _filled(self, values: Sequence[int]) -> Array:
        elements = np.array(values, self.dtype.numpy)
        return np.resize(elements, self.size).reshape(self.shape)

    def random(self, generator: np.random.Generator, count: int) -> Array:
        """Uniformly random values that the model takes, (count, *shape)."""
        size = (count, *self.shape)
        if len(self.limits) == 1:
            native, (own,) = self.dtype.numpy.newbyteorder("="), self.limits
            return generator.integers(own.low, own.high, size, native, endpoint=True)
        drawn = generator.integers(
            self.lowest.astype(np.int64), self.highest.astype(np.int64), size, endpoint=True
        )
        return drawn.astype(self.dtype.numpy)

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def step(self) -> float:
        """What two neighbouring values of an element differ by."""
        return self.quantization.scale if self.quantization else 1.0

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.size

    @property
    def binary(self) -> bool:
        """Whether it is the probability of the second of two classes."""
        return len(self.labels) == 2 and self.size == 1 and self.quantization is not None

    @property
    def classes(self) -> int:
        """The number of classes that it chooses from; 0 if it is not known to choose one.

        One value for each label; without labels, the values of a softmax, whose scale is fixed.
        """
        if self.binary:
            return 2
        if self.quantization is None or self.size < 2:
            return 0
        if self.labels:
            return self.size if len(self.labels) == self.size else 0
        return self.size if self.quantization == SOFTMAX and self.shape[-1] == self.size else 0


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """Inputs and the outputs that TensorFlow Lite Micro gave for them, as little-endian bytes."""

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model, as the files of a generated project describe it.

    Attributes:
        name: C identifier in lower case, prefix of every symbol and file: "digits".
        library: name of the Arduino / PlatformIO library and its folder: "Digits".
        sha256: hexadecimal digest of the .tflite that was exported; of the pipeline's JSON if it
            needs no model.
        inputs, outputs: the ports, in order; none if a pipeline needs no model.
        weight_bytes: size of all constant tables, exact.
        arena_bytes: size of activations, state and scratch memory, exact.
        macs: multiply-accumulate operations per inference of the .tflite; the compiled runtime may
            need fewer.
        version: of tflm_ext.
        model_version: of the model, three numbers and optional words: "1.2.0-rc.1".
        url: page of the model for library.properties.
        command: the command that regenerates the project, without paths outside it.
        golden: vectors for the tests, self test and example.
        pipeline: hexadecimal digest of the pipeline before the model; "" if there is none.
        inference_us: upper bound of the time of an inference on the board, in microseconds, for
            the samples that arrive in it; 0 if it is not known.
    """

    name: str
    library: str
    sha256: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weight_bytes: int
    arena_bytes: int
    macs: int
    version: str
    command: str
    golden: tuple[GoldenVector, ...]
    model_version: str = NO_VERSION
    url: str = PAGE
    pipeline: str = ""
    inference_us: int = 0

    @property
    def upper(self) -> str:
        """The name in upper case: prefix of macros and enum constants."""
        return self.name.upper()

    @property
    def header(self) -> str:
        """The file that describes all functions: the model's, or the pipeline's without a model."""
        return f"{self.name}_model.h" if self.outputs else f"{self.name}_sense.h"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes of the first output; empty if none were given."""
        return self.outputs[0].labels if self.outputs else ()
