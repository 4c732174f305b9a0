"""Makes the inputs on which the C is compared with TFLM, and converts real values to elements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import dequantize_array, normalize_array, quantize_array
from tflm_ext.errors import ConfigError
from tflm_ext.ir.facts import Port

Array: TypeAlias = np.ndarray[Any, Any]

_SPIKES = 8
_RANDOM = 32
_MINIMUM = 64


def quantize(ports: Sequence[Port], columns: Sequence[Array]) -> tuple[Array, ...]:
    """Convert real inputs to elements of the ports.

    Args:
        columns: an array (samples, ...) for each input of the model, before what is lifted.

    Returns:
        For each input, an array (samples, *shape) of its element type.

    Raises:
        ConfigError: an integer is not valid for the model.
    """
    return tuple(
        _elements(port, column).reshape(len(column), *port.shape)
        for port, column in zip(ports, columns, strict=True)
    )


def _elements(port: Port, column: Array) -> Array:
    if port.quantization is not None:
        if port.affine is not None:
            column = normalize_array(column, port.affine.mean, port.affine.deviation)
        return quantize_array(column, port.quantization.scale, port.quantization.zero_point)
    rows, low, high = (
        values.reshape(-1, port.size) for values in (column, port.lowest, port.highest)
    )
    wrong = np.argwhere((rows < low) | (rows > high) | (rows != np.round(rows)))
    if len(wrong):
        sample, at = wrong[0].tolist()
        raise ConfigError(
            f"The data for input {port.tensor_name[:80]!r} has the value "
            f"{rows[sample, at]:g} in sample {sample}, where the model takes integers from "
            f"{low[0, at]} to {high[0, at]}.",
            "An Embedding has rows for 0 to its input_dim minus 1.",
        )
    return column.astype(port.dtype.numpy)


def real_values(port: Port, elements: Array) -> Array:
    """What elements of a port stand for: float32, or the integers themselves as float64."""
    if port.quantization is None:
        return elements.astype(np.float64)
    return dequantize_array(elements, port.quantization.scale, port.quantization.zero_point)


def make_vectors(
    ports: Sequence[Port], samples: Sequence[Array] = (), *, seed: int = 0
) -> tuple[Array, ...]:
    """Return samples, extremes, uniformly random inputs and spikes, at least 64 in total.

    Args:
        ports: the inputs of the model.
        samples: the user's samples, an array (n, *shape) of elements per input; may be empty.
        seed: of the random inputs.

    Returns:
        An array (vectors, *shape) of elements for each input; the samples come first.
    """
    generator = np.random.default_rng(seed)
    given = len(samples[0]) if samples else 0
    random = max(_RANDOM, _MINIMUM - given - 3 - 2 * _SPIKES)
    columns = []
    for i, port in enumerate(ports):
        low, high = port.lowest.reshape(-1), port.highest.reshape(-1)
        zero = port.quantization.zero_point if port.quantization else 0
        rest = np.clip(np.full(port.size, zero, port.dtype.numpy), low, high)
        flat = np.stack([low, high, rest])
        spikes = np.tile(rest, (2 * _SPIKES, 1))
        places = generator.integers(port.size, size=2 * _SPIKES)
        for spike, place, ends in zip(spikes, places, itertools.cycle((low, high))):
            spike[place] = ends[place]
        noise = port.random(generator, random).reshape(random, port.size)
        parts = [flat, noise, spikes]
        if given:
            parts.insert(0, np.asarray(samples[i], port.dtype.numpy).reshape(given, port.size))
        columns.append(np.concatenate(parts).reshape(-1, *port.shape))
    return tuple(columns)
