"""PNG, BMP and JPEG files as one image of a source, read by Pillow."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any, BinaryIO

import numpy as np

from tflm_ext.errors import ConfigError, ToolError
from tflm_ext.signals.recordings_bytes import read_up_to
from tflm_ext.signals.sources import Source
from tflm_ext.signals.stage import Array

FORMATS = {b"\x89PNG": "PNG", b"BM": "BMP", b"\xff\xd8\xff": "JPEG"}
"""The first bytes of each."""
_COLOURED = ("1", "L", "P", "RGB", "RGBA")
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error)


def is_picture(start: bytes) -> bool:
    """Whether these are the first bytes of such a file."""
    return any(start.startswith(head) for head in FORMATS)


def read_picture(file: BinaryIO, start: bytes, source: Source, where: str) -> Array:
    """Return the pixels of a picture, which has the size of the source's images.

    Nothing is scaled, and no colour becomes grey: stages of the pipeline do that, in the firmware,
    too. Pixels of PNG and BMP files are exact; those of a JPEG file depend on the decoder.

    Args:
        file: after its first bytes.
        start: these bytes.
        where: its name, for messages.

    Returns:
        (1, height, width, channels), uint8.

    Raises:
        ConfigError: it is damaged, or does not fit the source.
        ToolError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ToolError(
            "Reading pictures needs Pillow, which is not installed.",
            'Run: python -m pip install "tflm_ext[pictures]"',
        ) from error
    content = io.BytesIO(start + read_up_to(file, None, where))
    height, width, channels = source.spec.shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(content, formats=tuple(FORMATS.values()))
        if picture.size == (width, height):
            picture.load()
    except (
        *_DAMAGED,
        Image.DecompressionBombWarning,
        Image.DecompressionBombError,
    ) as error:
        raise ConfigError(
            f"{where} is not a picture that can be read.", "Write it again as PNG or BMP."
        ) from error
    if picture.size != (width, height):
        raise ConfigError(
            f"{where} has {picture.width} x {picture.height} pixels, but the source gives images "
            f"of {width} x {height}.",
            f"Use Image({picture.height}, {picture.width}, ...) with Resize or Crop, or scale the "
            "picture.",
        )
    pixels = _coloured(picture, where)
    if channels == 1:
        if (pixels != pixels[..., :1]).any():
            raise ConfigError(
                f"{where} has colours, but the source gives grey images.",
                f"Use Image({height}, {width}, 3), and Grey() as a stage.",
            )
        pixels = pixels[..., :1]
    return pixels[np.newaxis]


def _coloured(picture: Any, where: str) -> Array:
    """Return (height, width, 3) pixels; grey ones have three equal values."""
    if picture.mode not in _COLOURED:
        raise ConfigError(
            f"{where} has pixels of the kind {picture.mode!r:.20}, not of 8 bits.",
            "Write it again with 8 bits for each colour.",
        )
    return np.asarray(picture.convert("RGB"), np.uint8)
