"""Data as a model takes it whose first layers were lifted. Does not use TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import normalize_array
from tflm_ext.document import from_json
from tflm_ext.ir.affine import Affine

Array: TypeAlias = np.ndarray[Any, Any]
Affines: TypeAlias = tuple[Affine | None, ...]


def affines_of(about: Mapping[str, Any]) -> Affines:
    """What trace() left out before each input."""
    return tuple(from_json(Affine | None, entry) for entry in about["lifted"])


def normalized(columns: Sequence[Array], affines: Affines) -> list[Array]:
    """Return the values of each input, samples first, after what was lifted from it."""
    return [
        column if affine is None else normalize_array(column, affine.mean, affine.deviation)
        for column, affine in zip(columns, affines, strict=True)
    ]
