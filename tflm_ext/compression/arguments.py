"""Numbers that a user passes, including those of NumPy. Does not use TensorFlow."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is a real number, of Python or NumPy; a bool is not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, of Python or NumPy, and not below a minimum."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def plain(value: Any) -> Any:
    """A number as a Python number, which JSON can represent; everything else unchanged.

    Example:
        >>> import numpy as np
        >>> plain(np.float32(0.5)), plain(np.int64(4)), plain("norm")
        (0.5, 4, 'norm')
    """
    if not is_number(value):
        return value
    return int(value) if isinstance(value, Integral) else float(value)
