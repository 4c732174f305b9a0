"""Numbers that a user gives, those of NumPy included. Free of TensorFlow."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is a real number, of Python or NumPy; a bool is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, of Python or NumPy, and at least so much."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def plain(value: Any) -> Any:
    """A number as one of Python, which JSON can hold; everything else as it is.

    Example:
        >>> import numpy as np
        >>> plain(np.float32(0.5)), plain(np.int64(4)), plain("norm")
        (0.5, 4, 'norm')
    """
    if not is_number(value):
        return value
    return int(value) if isinstance(value, Integral) else float(value)
