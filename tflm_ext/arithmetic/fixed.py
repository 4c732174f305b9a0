"""Functions of analysis with the same result on every computer.

sin() of two C libraries may differ in its last bit, and so could the coefficients of a filter that
is designed with it. Here everything is computed in integers, to 2**-128.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

_BITS = 160  # 32 more than are returned
_ONE = 1 << _BITS
_KEPT = 128


def rounded(value: Fraction, bits: int) -> int:
    """Return value * 2**bits as an integer; halves are rounded to even.

    Example:
        >>> rounded(Fraction(5, 8), 2), rounded(Fraction(-7, 8), 2)
        (2, -4)
    """
    return round(value * 2**bits)


def _fraction(value: int) -> Fraction:
    return Fraction(value >> (_BITS - _KEPT), 1 << _KEPT)


@functools.cache
def _pi() -> int:
    """Return pi by Machin's formula, 4 * (4 * arctan(1 / 5) - arctan(1 / 239))."""

    def arctan(inverse: int) -> int:
        power, total, n = _ONE // inverse, 0, 0
        while power:
            total += (-1) ** n * power // (2 * n + 1)
            power //= inverse * inverse
            n += 1
        return total

    return 4 * (4 * arctan(5) - arctan(239))


def pi() -> Fraction:
    """Return the ratio of a circle's circumference to its diameter."""
    return _fraction(_pi())


def sin_pi(x: Fraction) -> Fraction:
    """Return sin(pi * x).

    Example:
        >>> float(sin_pi(Fraction(1, 6)))
        0.5
    """
    turned = x - 2 * math.floor(x / 2)  # from 0 to 2
    if turned > 1:
        return -sin_pi(turned - 1)
    if turned > Fraction(1, 2):
        turned = 1 - turned
    angle = _pi() * turned.numerator // turned.denominator
    square = angle * angle >> _BITS
    term, total, n = angle, 0, 1
    while term:
        total += term
        term = -(term * square >> _BITS) // ((n + 1) * (n + 2))
        n += 2
        if term == -1:  # the floor of what is no longer there
            break
    return _fraction(total)


def cos_pi(x: Fraction) -> Fraction:
    """Return cos(pi * x)."""
    return sin_pi(x + Fraction(1, 2))


def tan_pi(x: Fraction) -> Fraction:
    """Return tan(pi * x), for x from 0 to below 1 / 2."""
    return sin_pi(x) / cos_pi(x)


def bessel_i0(square: Fraction) -> Fraction:
    """Return the modified Bessel function of order 0 at the square root of a number.

    Example:
        >>> round(float(bessel_i0(Fraction(4))), 6)
        2.279585
    """
    quarter = square.numerator * _ONE // (4 * square.denominator)
    term, total, n = _ONE, 0, 1
    while term:
        total += term
        term = (term * quarter >> _BITS) // (n * n)
        n += 1
    return _fraction(total)
