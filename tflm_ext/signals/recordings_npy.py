"""Arrays in .npy files: nothing is unpickled, and no size is believed."""

from __future__ import annotations

import math
import re
from typing import BinaryIO

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.recordings_bytes import read_up_to
from tflm_ext.signals.stage import Array

NPY = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_MOST_AXES = 32
_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<dtype>[<>|=][iuf]\d{1,2})',"
    r"\s*'fortran_order':\s*(?P<fortran>True|False),"
    r"\s*'shape':\s*\((?P<shape>[\d,\s]*)\),?\s*\}\s*"
)


def read_npy(file: BinaryIO, start: bytes, where: str) -> Array:
    """Return the array of a .npy file.

    Its header is matched with what NumPy writes: numpy.load() would evaluate it, and take the
    memory that it asks for.

    Args:
        file: after its first bytes; a file or a pipe.
        start: its first eight bytes.
        where: its name, for messages.

    Raises:
        ConfigError: it is damaged, or its elements are not numbers.
    """
    width = 2 if start[6:7] == b"\1" else 4
    size = int.from_bytes(file.read(width), "little")
    if len(start) < len(NPY) + 2 or not 0 < size <= _LONGEST_HEADER:
        raise _damaged(where, "its header is cut off, or too long")
    header = file.read(size).decode("latin-1")
    found = _HEADER.fullmatch(header)
    if found is None:
        raise _damaged(where, "its elements are not integers or floats, or its header is damaged")
    try:
        dtype = np.dtype(found["dtype"])
        axes = [int(axis) for axis in found["shape"].split(",") if axis.strip()]
    except (TypeError, ValueError) as error:  # like i3; more digits than Python converts
        raise _damaged(where, "its header is damaged") from error
    data = read_up_to(file, None, where)
    if len(axes) > _MOST_AXES or math.prod(axes) * dtype.itemsize != len(data):
        raise _damaged(
            where, f"its header promises {header.strip():.200}, and {len(data):,} bytes follow"
        )
    values = np.frombuffer(data, dtype)
    if found["fortran"] == "True":
        return values.reshape(tuple(reversed(axes))).T
    return values.reshape(tuple(axes))


def _damaged(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"{where} is not a .npy file that can be read: {why}.",
        "Write it with numpy.save(path, array), of an array of numbers.",
    )
