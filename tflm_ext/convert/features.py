"""Finds features of an input that int8 resolves poorly, by index. Does not use TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.ranges import (
    FEW_STEPS,
    feature_range,
    merges,
    real_range,
    split_features,
)

Array: TypeAlias = np.ndarray[Any, Any]

REMEDY = (
    "begin the Keras model with Normalization, which the device computes before int8, or normalise"
    " the data before the model, when training and on the device"
)

_WIDE = 64  # features from which on an input is more likely an image than a table
_NAMED = 8
_NOISE = 1e-6  # of the largest value: beyond the precision of float32


@dataclass(frozen=True, slots=True)
class Coarse:
    """The warnings about the features of an input.

    Attributes:
        warnings: one sentence each, for the user.
        suspects: likewise, about features that are harmless at the edge of an image; worth a
            warning only if the int8 model differs too much from the float model.
    """

    warnings: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


def coarse_features(name: str, what: str, data: Array, scale: float, zero_point: int) -> Coarse:
    """Find features with fewer than 16 steps of int8, in which rounding makes values equal.

    Features with a few values that stay distinct, such as 0 and 1, lose nothing, and are not named.

    Args:
        name: of the input.
        what: name of the data in messages, like "calibration_data".
        data: real values, samples first.
        scale, zero_point: of the int8 input.
    """
    features = split_features(data)
    low, high = feature_range(data)
    spread = (high - low).astype(np.float64)
    constant = spread <= _NOISE * np.maximum(np.abs(low), np.abs(high))
    steps = spread / scale
    few = [
        int(i)
        for i in np.flatnonzero(~constant & (steps < FEW_STEPS))
        if merges(features[i], scale)
    ]
    reach = max(-real_range(scale, zero_point)[0], real_range(scale, zero_point)[1])
    offset = [i for i in few if max(-low[i], high[i]) > reach / 2]
    small = [i for i in few if i not in offset]
    kind = "channel" if data.ndim == 4 else "feature"
    texts = [
        *_offsets(offset, name, kind, low, high, steps),
        *_small(small, name, kind, steps, (float(low.min()), float(high.max()))),
        *_constants(int(constant.sum()), len(features), name, kind, what),
    ]
    # The edge of a flat image hardly varies, and does not matter.
    harmless = len(features) >= _WIDE and 2 * len(few) < len(features)
    return Coarse(suspects=tuple(texts)) if harmless else Coarse(tuple(texts))


def listed(indices: Sequence[int]) -> str:
    """Return a shortened list of numbers: "3, 7, 9 and 21 more".

    Example:
        >>> listed(range(3)), listed(range(20, 40))
        ('0, 1 and 2', '20, 21, 22, 23, 24, 25, 26, 27 and 12 more')
    """
    if len(indices) == 1:
        return str(indices[0])
    if len(indices) <= _NAMED:
        return f"{', '.join(map(str, indices[:-1]))} and {indices[-1]}"
    return f"{', '.join(map(str, indices[:_NAMED]))} and {len(indices) - _NAMED} more"


def _offsets(
    found: Sequence[int], name: str, kind: str, low: Array, high: Array, steps: Array
) -> Iterator[str]:
    if not found:
        return
    if len(found) == len(steps):
        who, i = f"Input {name!r}", int(np.argmax(steps))
        low, high = np.full(len(steps), low.min()), np.full(len(steps), high.max())
    else:
        who, i = f"{kind.capitalize()} {found[0]} of input {name!r}", found[0]
    others = (
        f" (the same holds for {kind} {listed(found[1:])})" if 1 < len(found) < len(steps) else ""
    )
    yield (
        f"{who} lies between {low[i]:.6g} and {high[i]:.6g}{others}, and the range of int8 "
        f"includes 0: its offset takes up the range and leaves it {_number(steps[i])} of the 256 "
        f"steps; {REMEDY}."
    )


def _small(
    found: Sequence[int], name: str, kind: str, steps: Array, bounds: tuple[float, float]
) -> Iterator[str]:
    if not found:
        return
    worst = min(found, key=lambda i: float(steps[i]))
    if len(found) == 1:
        who = f"{kind.capitalize()} {worst} of input {name!r} has {_number(steps[worst])}"
        least = ""
    else:
        who = f"{kind.capitalize()}s {listed(found)} of input {name!r} have fewer than {FEW_STEPS}"
        least = f", {kind} {worst} only {_number(steps[worst])}"
    yield (
        f"{who} of the 256 steps of int8{least}: one range holds the whole input,"
        f" {bounds[0]:.4g} to {bounds[1]:.4g}; {REMEDY}."
    )


def _constants(count: int, of: int, name: str, kind: str, what: str) -> Iterator[str]:
    if 0 < count < of:
        verb = "is" if count == 1 else "are"
        yield f"{count} of {of} {kind}s of input {name!r} {verb} constant in {what}."


def _number(steps: float) -> str:
    return f"{steps:.2g}" if steps < 1 else str(round(steps))
