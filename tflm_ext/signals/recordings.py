"""Recordings: arrays and files as samples of a source."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.stage import Array


def read_recording(given: Any, source: Any) -> Array:
    """Return a recording as samples of a source: (samples, channels).

    Raises:
        ConfigError: it does not fit.
    """
    array = np.asarray(given)
    spec = source.spec
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] != spec.channels or array.dtype != spec.dtype.numpy:
        raise ConfigError(
            f"The recording is {array.shape} {array.dtype}, not (samples, {spec.channels}) "
            f"{spec.dtype.value}.",
            "Convert it.",
        )
    return array
