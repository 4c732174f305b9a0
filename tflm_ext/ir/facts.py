"""ModelFacts: what templates know about a model, regardless of the runtime."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of the model: int8, real = scale * (q - zero_point).

    Attributes:
        tensor_name: text from the model, untrusted; escape it wherever it is printed.
    """

    tensor_name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def size(self) -> int:
        """Elements, which are bytes."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """Inputs and the outputs that TensorFlow Lite Micro gave for them, as raw int8 bytes."""

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model, as the files of a generated project describe it.

    Attributes:
        name: C identifier in lower case, prefix of every symbol and file: "digits".
        library: name of the Arduino / PlatformIO library and its folder: "Digits".
        sha256: hexadecimal digest of the .tflite that was exported.
        inputs, outputs: the ports, in order.
        labels: names of the classes, untrusted text; empty if none were given.
        weight_bytes: size of all constant tables, exact.
        arena_bytes: size of activations, state and scratch memory, exact.
        macs: multiply-accumulate operations per inference of the .tflite; the compiled runtime may
            need fewer.
        version: of tflm_ext.
        command: the command that regenerates the project, without paths outside it.
        golden: vectors for the tests, self test and example.
    """

    name: str
    library: str
    sha256: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    labels: tuple[str, ...]
    weight_bytes: int
    arena_bytes: int
    macs: int
    version: str
    command: str
    golden: tuple[GoldenVector, ...]

    @property
    def upper(self) -> str:
        """The name in upper case: prefix of macros and enum constants."""
        return self.name.upper()
