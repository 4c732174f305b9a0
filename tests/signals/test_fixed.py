"""Functions of analysis in integers, which design filters."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from tflm_ext.arithmetic.fixed import bessel_i0, cos_pi, pi, rounded, sin_pi, tan_pi


def test_they_agree_with_the_c_library() -> None:
    random = np.random.default_rng(0)
    for x in (0.0, 0.5, 1.0, 1.5, 1e-9, *random.uniform(-4, 4, 200).tolist()):
        exact = Fraction(x)
        assert float(sin_pi(exact)) == pytest.approx(math.sin(math.pi * x), abs=4e-15)
        assert float(cos_pi(exact)) == pytest.approx(math.cos(math.pi * x), abs=4e-15)
        assert float(bessel_i0(exact * exact)) == pytest.approx(float(np.i0(x)), rel=1e-14)
    for x in random.uniform(0, 0.499, 50).tolist():
        assert float(tan_pi(Fraction(x))) == pytest.approx(math.tan(math.pi * x), rel=1e-12)


def test_they_are_exact_to_many_more_bits() -> None:
    digits = "3.14159265358979323846264338327950288419"
    assert abs(pi() - Fraction(digits)) < Fraction(1, 10**37)
    tiny = Fraction(1, 2**120)
    for x in (Fraction(1, 3), Fraction(1, 7), Fraction(123, 1000), Fraction(7, 5)):
        assert abs(sin_pi(x) ** 2 + cos_pi(x) ** 2 - 1) < tiny
        assert abs(sin_pi(2 * x) - 2 * sin_pi(x) * cos_pi(x)) < tiny
    assert abs(sin_pi(Fraction(1, 6)) - Fraction(1, 2)) < tiny
    assert abs(tan_pi(Fraction(1, 4)) - 1) < tiny


def test_rounded_takes_the_even_one_of_two() -> None:
    assert [rounded(Fraction(n, 2), 0) for n in (-3, -1, 1, 3, 5)] == [-2, 0, 0, 2, 2]
