"""Int8Model: the result of a conversion. Does not use TensorFlow."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflm_ext.ir.affine import Affine

_LOOKED_AT = 100


def looked_at(count: int) -> np.ndarray[Any, Any]:
    """Return the calibration samples that are run: at most 100, spread evenly.

    Example:
        >>> looked_at(3), looked_at(1000)[:3]
        (array([0, 1, 2]), array([ 0, 10, 20]))
    """
    return np.linspace(0, count - 1, min(count, _LOOKED_AT)).round().astype(int)


@dataclass(frozen=True, slots=True)
class Int8Model:
    """A fully quantised model as the bytes of its .tflite.

    Attributes:
        bytes: the .tflite; its inputs and outputs are in the order of the Keras model.
        sha256: of bytes, in hex.
        input_names: the users' names of its inputs, in order; the keys of a dict or a .npz with
            calibration data. "" for those of a .tflite that have none.
        output_names: those of its outputs, in order.
        affines: for each input, what was lifted out of the model: its int8 values are of normalised
            real values; None where nothing was; () for a model without any.
        warnings: one sentence each, for the user.
        log: the converter's output.
        suspects: warnings that matter only if int8 differs too much from float.
        float_outputs: the float model's outputs for the test inputs, one array per output, samples
            first; None without test inputs or float model.
        calibration_outputs: the same for the calibration samples looked_at(), if there are no test
            inputs.
    """

    bytes: builtins.bytes
    sha256: str
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    affines: tuple[Affine | None, ...] = ()
    warnings: tuple[str, ...] = ()
    log: str = ""
    suspects: tuple[str, ...] = ()
    float_outputs: tuple[np.ndarray[Any, Any], ...] | None = field(
        default=None, compare=False, repr=False
    )
    calibration_outputs: tuple[np.ndarray[Any, Any], ...] | None = field(
        default=None, compare=False, repr=False
    )

    @classmethod
    def of(cls, content: builtins.bytes, **others: Any) -> Int8Model:
        """A model with its computed sha256."""
        return cls(content, hashlib.sha256(content).hexdigest(), **others)


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier export knows about the ports of a .tflite.

    Attributes:
        sha256: of the .tflite, in hex.
        inputs, outputs: names, which the .tflite may have lost, "" for ports without one;
            untrusted.
        affines: what was lifted from each input, which the .tflite does not have; () if nothing.
    """

    sha256: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    affines: tuple[Affine | None, ...] = ()

    def fit(self, sha256: str, inputs: int, outputs: int) -> bool:
        """Whether it has names of this .tflite, with this number of ports; some may be ""."""
        named = any((*self.inputs, *self.outputs))
        return named and (self.sha256, len(self.inputs), len(self.outputs)) == (
            sha256,
            inputs,
            outputs,
        )

    def lifted(self, sha256: str, shapes: Sequence[Sequence[int]]) -> tuple[Affine | None, ...]:
        """What was lifted from the inputs of this .tflite, given their shapes."""
        if self.sha256 != sha256 or len(self.affines) != len(shapes):
            return ()
        pairs = zip(self.affines, shapes, strict=True)
        fitting = all(affine is None or affine.fits(shape) for affine, shape in pairs)
        return self.affines if fitting else ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """Result of convert().

    Attributes:
        int8: the model.
        calibration: calibration_data, a float array (samples, *shape) per input; () without data.
        test: test_inputs in the same form; () without data.
        targets: of the test inputs, for each output; () without targets.
    """

    int8: Int8Model
    calibration: tuple[np.ndarray[Any, Any], ...] = ()
    test: tuple[np.ndarray[Any, Any], ...] = ()
    targets: tuple[np.ndarray[Any, Any] | None, ...] = ()

    @classmethod
    def of(
        cls,
        int8: Int8Model,
        data: Mapping[str, Sequence[np.ndarray[Any, Any]]],
        targets: tuple[np.ndarray[Any, Any] | None, ...],
    ) -> Conversion:
        """A model with the columns of its data, by what they are for."""
        return cls(
            int8, tuple(data.get("calibration_data", ())), tuple(data.get("test_data", ())), targets
        )
