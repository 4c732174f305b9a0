"""Checks of the options of stages, which come from users and from JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, NoReturn

from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.near import one_of
from tflm_ext.signals.spec import Form, Spec

_FASTEST = 10_000_000


def refuse(what: str, value: Any, wanted: str, remedy: str) -> NoReturn:
    """Raise the error for an option that cannot be used.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{what}={value!r:.60} is not {wanted}.", remedy)


def whole(what: str, value: Any, low: int, high: int, remedy: str = "") -> int:
    """Return an integer option that must be from low to high.

    Args:
        what: its stage and name, as in "Frames.hop".

    Raises:
        ConfigError: it is not.
    """
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or not low <= int(value) <= high:
        number = f"an integer from {low:,} to {high:,}"
        refuse(what, value, number, remedy or f"Pass {number}.")
    return int(value)


def real(what: str, value: Any, low: float, high: float, remedy: str = "") -> float:
    """Return a real option that must be from low to high.

    Raises:
        ConfigError: it is not, or it is not finite.
    """
    fits = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if not fits or not low <= float(value) <= high:
        number = f"a number from {low:g} to {high:g}"
        refuse(what, value, number, remedy or f"Pass {number}.")
    return float(value)


def choice(what: str, value: Any, known: Sequence[str]) -> str:
    """Return an option that must be one of several names.

    Raises:
        ConfigError: it is not; suggests the nearest.
    """
    return one_of(what, value, known)


def rate(what: str, value: Any) -> Fraction:
    """Return a rate in items per second: a number, or a text with a fraction like "8000/3".

    Raises:
        ConfigError: it is not positive, or above 10 million.

    Example:
        >>> rate("Motion.rate", "8000/3"), rate("Motion.rate", 104.2)
        (Fraction(8000, 3), Fraction(521, 5))
    """
    found = None
    if isinstance(value, Rational | str | float) and not isinstance(value, bool):
        try:
            # A float means the decimal fraction that it is written as. A text has no exponent,
            # which could make an integer of a billion digits.
            exact = str(value) if isinstance(value, float) else value
            exponent = isinstance(value, str) and "e" in value.lower()
            found = Fraction(exact) if len(str(value)) <= 40 and not exponent else None
        except (ValueError, ZeroDivisionError, OverflowError):
            found = None
    if found is None or not 0 < found <= _FASTEST or found.denominator > _FASTEST:
        refuse(
            what,
            value,
            f"a rate from 0 to {_FASTEST:,} per second",
            'Pass a number such as 16_000, or a fraction such as "8000/3".',
        )
    return found


def expect(stage: str, source: Spec, *forms: Form) -> None:
    """Require the form of the items that a stage receives.

    Raises:
        ConfigError: it is another one.
    """
    if source.form in forms:
        return
    remedies = {
        Form.STREAM: f"Put {stage} before Frames.",
        Form.FRAME: f"Put {stage} directly after Frames.",
        Form.IMAGE: f"Put {stage} after an Image source.",
        Form.FEATURES: f"Put {stage} after a stage that computes features, such as LogMel.",
        Form.SCORE: f"Put {stage} after a score, such as Normal or Mahalanobis.",
        Form.DECISION: f"Put {stage} after a decision.",
    }
    wanted = " or ".join(form.value for form in forms)
    remedy = remedies[forms[0]]
    if source.form is Form.IMAGE:
        remedy = "Of images, only Crop, Resize and Grey make a model's input."
    raise ConfigError(f"{stage} works on a {wanted}, but receives {source}.", remedy)


def expect_type(stage: str, source: Spec, *types: DType) -> None:
    """Require the element type of the items that a stage receives.

    Raises:
        ConfigError: it is another one.
    """
    if source.dtype in types:
        return
    wanted = " or ".join(own.value for own in types)
    raise ConfigError(
        f"{stage} takes {wanted}, but receives {source}.",
        f"Put {stage} after a stage that gives {wanted}.",
    )


def as_quantization(value: Any) -> tuple[float, int] | None:
    """Return the scale and the zero point of a model's input, or None.

    Raises:
        ConfigError: they are something else.
    """
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ConfigError(
            f"quantization={value!r:.60} is not a scale and a zero point.",
            "Pass those of the model's input, as in quantization=(0.1, -128).",
        )
    scale, zero_point = value
    return real("scale", scale, 1e-30, 1e30), whole("zero point", zero_point, -128, 127)
