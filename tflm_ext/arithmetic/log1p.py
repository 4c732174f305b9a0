"""log1p() of the C library in float32, bit for bit.

The filters of log-mel front ends are computed with it. It is the function of FreeBSD's msun, which
newlib, musl and glibc up to version 2.40 contain; results differ from the correctly rounded ones in
one of 30 values, and weights of filters with them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_LN2_HIGH, _LN2_LOW = np.array([0x3F317180, 0x3717F7D1], np.uint32).view(np.float32)
_DIRECT = np.array(0x3ED413D7, np.uint32).view(np.float32)  # sqrt(2) - 1
_SQRT2 = 0x3504F7  # its fraction
_COEFFICIENTS = np.array(
    [0x3E178897, 0x3E1CD04F, 0x3E3A3325, 0x3E638E29, 0x3E924925, 0x3ECCCCCD, 0x3F2AAAAB],
    np.uint32,
).view(np.float32)


def log1p(values: Array) -> Array:
    """Return ln(1 + x).

    Args:
        values: float32, from 0 to 1e30; positive ones are at least 1e-8.

    Example:
        >>> log1p(np.array([0.0, 1.0], np.float32)).tolist()
        [0.0, 0.6931471824645996]
    """
    one = np.float32(1)
    direct = values < _DIRECT
    # 1 + x = 2**exponent * (1 + f), where 1 + f is from sqrt(1/2) to sqrt(2).
    rounded = one + values
    bits = rounded.view(np.int32)
    exponent = (bits >> 23) - 127
    lost = np.where(exponent > 0, one - (rounded - values), values - (rounded - one)) / rounded
    fraction = bits & 0x7FFFFF
    upper = fraction >= _SQRT2
    scaled = np.where(upper, fraction | 0x3F000000, fraction | 0x3F800000).view(np.float32)
    f = np.where(direct, values, scaled - one)
    power = np.where(direct, 0, exponent + upper).astype(np.float32)
    lost = np.where(direct, np.float32(0), lost)

    half_square = np.float32(0.5) * f * f
    s = f / (np.float32(2) + f)
    z = s * s
    series = np.zeros_like(z)
    for coefficient in _COEFFICIENTS:
        series = z * (coefficient + series)
    rest = s * (half_square + series)
    near = f - (half_square - rest)
    far = power * _LN2_HIGH - ((half_square - (rest + (power * _LN2_LOW + lost))) - f)
    return np.where(direct, near, far)
