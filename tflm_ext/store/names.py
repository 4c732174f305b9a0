"""Names of labels and sessions, which become names of folders and files on any system."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from tflm_ext.errors import ConfigError

_LONGEST = 64  # characters
_LONGEST_NOTE = 200
_MOST_BYTES = 128  # of UTF-8: with a number and an ending, below the 255 of most file systems
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?")
_SEGMENT = re.compile(r"(?P<session>.+)-(?P<number>[1-9][0-9]{0,8})")


def require_name(what: str, value: Any) -> str:
    """Return the name of a label or session, which must be a file name on any system.

    Args:
        what: "label" or "session", for messages.

    Raises:
        ConfigError: it is not.
    """
    why = _fault(value)
    if why:
        raise ConfigError(
            f"The {what} {value!r:.80} cannot be the name of a folder or file: {why}.",
            f"Use letters, digits, _ and -, at most {_LONGEST} characters.",
        )
    name: str = value
    return name


def is_name(value: Any) -> bool:
    """Whether this can be the name of a label or session."""
    return not _fault(value)


def _fault(value: Any) -> str:
    """Return what is wrong with a name; "" if nothing."""
    if not isinstance(value, str) or not value:
        return "it is empty" if value == "" else "it is not a text"
    if len(value) > _LONGEST or len(value.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        return "it is too long"
    if not value.isprintable() or _FORBIDDEN.search(value):
        return "it has a character that some systems forbid in names"
    if value[0] in ".-~ " or value[-1] in ". ":
        return "of its first or last character"
    if _RESERVED.fullmatch(value.casefold()):
        return "Windows reserves it"
    if unicodedata.normalize("NFC", value) != value:
        return "it is not in Unicode's normal form C"
    return ""


def segment_name(session: str, number: int) -> str:
    """Return the name of a segment's files, without an ending."""
    return f"{session}-{number}"


def split_name(stem: str) -> tuple[str, int] | None:
    """Return session and number of a segment; None if this is not the name of one.

    Example:
        >>> split_name("20260412-093000-12")
        ('20260412-093000', 12)
        >>> split_name("hello") is None
        True
    """
    match = _SEGMENT.fullmatch(stem)
    if match is None or not is_name(match["session"]):
        return None
    return match["session"], int(match["number"])


def session_of(when: datetime) -> str:
    """Return the name of a session that begins at a time.

    Example:
        >>> session_of(datetime(2026, 4, 12, 9, 30))
        '20260412-093000'
    """
    return f"{when:%Y%m%d-%H%M%S}"


def joined(note: str, more: str) -> str:
    """Return a note with one more remark, unless it has that one.

    Example:
        >>> joined("outdoors", "cut short"), joined("cut short", "cut short")
        ('outdoors; cut short', 'cut short')
    """
    if not note or note.endswith(more):
        return note or more
    return f"{note[: _LONGEST_NOTE - len(more) - 2]}; {more}"
