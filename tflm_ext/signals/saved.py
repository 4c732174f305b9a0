"""What a device has learnt, as it saves it: the same bytes as those of templates/signals/save.h."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.stage import Array, State

FORMAT = b"TXL1"
"""Format and version."""
_HEADER, _CRC, _DIGEST = 16, 4, 8


def saved_bytes(state: State) -> int:
    """Return the size of the buffer that a state is saved into."""
    return _HEADER + sum(part.nbytes for part in state) + _CRC


def save(state: State, digest: bytes) -> bytes:
    """Return a state as the device saves it.

    Args:
        state: arrays, of the types and in the order of the block's lower().state.
        digest: of the pipeline; its first 8 bytes are saved.
    """
    parts = b"".join(_little(part).tobytes() for part in state)
    content = FORMAT + digest[:_DIGEST] + len(parts).to_bytes(4, "little") + parts
    return content + zlib.crc32(content).to_bytes(_CRC, "little")


def load(like: State, digest: bytes, content: bytes) -> State:
    """Return the state that was saved.

    Args:
        like: the block's start(), for types and shapes.
        digest: of the pipeline.
        content: what save() or the device wrote; bytes after it are ignored.

    Raises:
        ConfigError: it is damaged, or of another pipeline; the device keeps its state then.
    """
    size = saved_bytes(like)
    whole = content[:size]
    if len(whole) < size or zlib.crc32(whole[:-_CRC]) != int.from_bytes(whole[-_CRC:], "little"):
        raise ConfigError(
            "What was saved is damaged or incomplete.",
            "Let the device learn again; it uses the values from the factory meanwhile.",
        )
    wanted = FORMAT + digest[:_DIGEST] + (size - _HEADER - _CRC).to_bytes(4, "little")
    if whole[:_HEADER] != wanted:
        raise ConfigError(
            "What was saved is of another pipeline, or of another version of tflm_ext.",
            "Let the device learn again, or load it with the pipeline that saved it.",
        )
    return tuple(_parts(like, whole[_HEADER:-_CRC]))


def _parts(like: Sequence[Array], content: bytes) -> list[Array]:
    found, at = [], 0
    for part in like:
        kind = _little(part).dtype
        flat = np.frombuffer(content, kind, part.size, at)
        found.append(flat.reshape(part.shape).astype(part.dtype))
        at += part.nbytes
    return found


def _little(part: Array) -> Array:
    return part.astype(part.dtype.newbyteorder("<"))
