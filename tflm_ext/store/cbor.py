"""CBOR of Edge Impulse's files, by the library cbor2, after a look at what is in them."""

from __future__ import annotations

from typing import Any

from tflm_ext.errors import ConfigError, ToolError

_DEEPEST = 8
_INTEGERS = 24  # from here on, the argument is in the bytes that follow
_OPEN = 31  # of a list or map whose end is marked
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)


def dumps(content: Any) -> bytes:
    """Return content as CBOR.

    Raises:
        ToolError: cbor2 is not installed.
    """
    found: bytes = _library().dumps(content)
    return found


def loads(data: bytes, where: str) -> Any:
    """Return the content of CBOR: maps, lists, texts and numbers.

    Args:
        where: its name, for messages.

    Raises:
        ConfigError: it is damaged, nested deeply, or has other types.
        ToolError: cbor2 is not installed.
    """
    library = _library()
    _require_plain(data, where)
    try:
        return library.loads(data)
    except (library.CBORDecodeError, ValueError, TypeError) as error:
        raise damaged(where, "it is not CBOR") from error


def damaged(where: str, why: str) -> ConfigError:
    """Return the error for a file that is not in the format."""
    return ConfigError(
        f"{where} is not a recording of Edge Impulse: {why}.",
        "Pass a file in its data acquisition format, as JSON or CBOR.",
    )


def _library() -> Any:
    try:
        import cbor2
    except ImportError as error:
        raise ToolError(
            "CBOR needs cbor2, which is not installed.",
            'Run: python -m pip install "tflm_ext[cbor]", or use JSON.',
        ) from error
    return cbor2


def _require_plain(data: bytes, where: str) -> None:
    """Require items whose sizes are those of bytes that are there, without tags.

    Tags may ask for large numbers, dates and references, and lengths for memory, which versions of
    the library handle differently.
    """
    at = 0
    left: list[int | None] = [1]  # items that each open list still needs; None until its mark
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        if at >= len(data):
            raise damaged(where, "it is cut off")
        kind, argument, at = _head(data, at, where)
        if kind == _SIMPLE and argument is None:
            if left[-1] is not None:
                raise damaged(where, "it has an end where nothing has begun")
            left.pop()
            continue
        inner = left[-1]
        if inner is not None:
            left[-1] = inner - 1
        if kind in (_LIST, _MAP):
            if argument is not None and argument > len(data) - at:
                raise damaged(where, "it is cut off")
            left.append(None if argument is None else argument * (2 if kind == _MAP else 1))
            if len(left) > _DEEPEST:
                raise damaged(where, "it is nested deeply")
        elif kind == _TEXT:
            if argument is None or argument > len(data) - at:
                raise damaged(where, "it is cut off, or has a text in pieces")
            at += argument
        elif kind in (_BYTES, _TAG):
            raise damaged(where, "it has bytes or tags")
    if at != len(data):
        raise damaged(where, "bytes follow its end")


def _head(data: bytes, at: int, where: str) -> tuple[int, int | None, int]:
    """Return kind and argument of an item, None if it is open or an end, and where it continues."""
    first = data[at]
    kind, small = first >> 5, first & 31
    at += 1
    if small < _INTEGERS:
        return kind, small, at
    if small == _OPEN and kind in (_LIST, _MAP, _SIMPLE, _TEXT):
        return kind, None, at
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(small)
    if size is None or at + size > len(data):
        raise damaged(where, "it is cut off, or has an item of an unknown kind")
    return kind, int.from_bytes(data[at : at + size], "big"), at + size
