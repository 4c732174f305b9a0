"""Tables of the int16 Fourier transform, for stages that contain it."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic.signals import fft_positions, fft_radices, twiddles
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.kernels.base import FieldValue
from tflm_ext.signals.stage import Array, table

SHORTEST, LONGEST = 64, 1024
_ONE_BYTE = 256  # points whose numbers are below


def points_for(stage: str, length: int) -> int:
    """Return the points of the transform of a frame: the next power of two.

    Raises:
        ConfigError: the frame is too long or too short.
    """
    points = max(1 << (length - 1).bit_length(), SHORTEST)
    if length < 2 or points > LONGEST:
        raise ConfigError(
            f"{stage} transforms frames of 2 to {LONGEST} samples, but they have {length}.",
            "Pass another Frames.length, or put Decimate before Frames.",
        )
    return points


def fields(half: int) -> FieldValue:
    """Return the parameters of a complex transform, a tflm_ext_fft_int16_t."""
    return (half, int(2 in fft_radices(half)), int(half > _ONE_BYTE))


def tables(half: int) -> tuple[Const, ...]:
    """Return the tables of a real transform of 2 * half points."""
    order = swaps(fft_positions(half))
    wide = " [byte 2]" if half > _ONE_BYTE else ""
    if wide:
        order = np.stack([order % 256, order // 256], 1)
    return (
        table("order", DType.UINT8, order, f"[point {half}]{wide}, which to swap with"),
        table(
            "twiddles",
            DType.INT32,
            packed(*_pass_twiddles(half)),
            f"[point {half // 4}][power 3], pairs",
        ),
        table("split", DType.INT32, packed(*_split_twiddles(half)), f"[bin {half // 2}], pairs"),
    )


def packed(real: Array, imaginary: Array) -> Array:
    """Return pairs as int32: the real part in the low half."""
    words = (real & 0xFFFF) | ((imaginary & 0xFFFF) << 16)
    return words.astype(np.uint32).astype(np.int32)


def swaps(positions: Array) -> Array:
    """Return with which later or equal element to swap each element, in order, to permute them.

    Args:
        positions: where each element goes.
    """
    source = np.argsort(positions)  # which element each place gets
    where = np.arange(len(source))  # where an element is now
    holds = np.arange(len(source))  # which element a place holds now
    found = np.zeros(len(source), np.int64)
    for place, wanted in enumerate(source):
        other = where[wanted]
        found[place] = other
        moved = holds[place]
        holds[place], holds[other] = wanted, moved
        where[wanted], where[moved] = place, other
    return found


def _pass_twiddles(half: int) -> tuple[Array, Array]:
    """Return the factors of the last pass; those of point 0 are 1, and change nothing."""
    cosine, sine = twiddles(-2 * np.pi * np.arange(half) / half)
    steps = np.outer(np.arange(half // 4), [1, 2, 3]).ravel()
    return cosine[steps], sine[steps]


def _split_twiddles(half: int) -> tuple[Array, Array]:
    return twiddles(-np.pi * (np.arange(1, half // 2 + 1) / half + 0.5))
