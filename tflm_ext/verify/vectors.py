"""The inputs on which C and TensorFlow Lite Micro are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import quantize_array
from tflm_ext.ir.facts import Port

Array: TypeAlias = np.ndarray[Any, Any]

_SPIKES = 8
_RANDOM = 32
_MINIMUM = 64


def quantize(ports: Sequence[Port], columns: Sequence[Array]) -> tuple[Array, ...]:
    """Real inputs, per input of the model an array (samples, ...), as int8 (samples, *shape)."""
    return tuple(
        quantize_array(column, b.scale, b.zero_point).reshape(len(column), *b.shape)
        for b, column in zip(ports, columns, strict=True)
    )


def make_vectors(
    ports: Sequence[Port], samples: Sequence[Array] = (), *, seed: int = 0
) -> tuple[Array, ...]:
    """Samples, extremes, uniformly random inputs and spikes, at least 64 in all.

    Args:
        ports: the inputs of the model.
        samples: quantised samples of the user, per input an int8 array (n, *shape); may be empty.
        seed: of the random inputs.

    Returns:
        Per input an int8 array (vectors, *shape); the samples come first.
    """
    generator = np.random.default_rng(seed)
    given = len(samples[0]) if samples else 0
    random = max(_RANDOM, _MINIMUM - given - 3 - 2 * _SPIKES)
    columns = []
    for i, port in enumerate(ports):
        zero = port.zero_point
        levels = np.array([-128, 127, zero], np.int8)
        flat = np.repeat(levels, port.size).reshape(3, port.size)
        spikes = np.full((2 * _SPIKES, port.size), zero, np.int8)
        places = generator.integers(port.size, size=2 * _SPIKES)
        spikes[np.arange(2 * _SPIKES), places] = np.tile(np.array([-128, 127], np.int8), _SPIKES)
        noise = generator.integers(-128, 128, (random, port.size), np.int8)
        parts = [flat, noise, spikes]
        if given:
            parts.insert(0, np.asarray(samples[i], np.int8).reshape(given, port.size))
        columns.append(np.concatenate(parts).reshape(-1, *port.shape))
    return tuple(columns)
