"""Untrusted text and numbers as C, ini and Markdown see them."""

from __future__ import annotations

from collections.abc import Iterable

INT32_MIN = "(-2147483647 - 1)"
"""C has no literal of that value in 32 bits."""
_PRINTABLE = {chr(c) for c in range(0x20, 0x7F)}


def c_string(text: str) -> str:
    """Any text as a C string literal, with quotes.

    UTF-8 bytes outside printable ASCII become octal escapes, which, unlike hexadecimal ones,
    never swallow the character that follows. "?" is escaped, so no trigraph can form.

    Example:
        >>> c_string('say "hi"??/')
        '"say \\\\"hi\\\\"\\\\?\\\\?/"'
    """
    out = []
    for byte in text.encode("utf-8", "surrogatepass"):
        char = chr(byte)
        if char in '"\\?':
            out.append("\\" + char)
        elif char in _PRINTABLE:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def plain(text: str, limit: int | None = 120) -> str:
    """One line of printable ASCII for comments, ini values, Markdown and terminals.

    Everything else becomes "?"; so do backslash, backquote, `<`, `>`, `|`, `%`, `$` and quotes,
    which mean something to a C preprocessor, a shell, Markdown, HTML or an ini file.

    Example:
        >>> plain("dense/\\nBiasAdd;<b>")
        'dense/?BiasAdd;?b?'
    """
    kept = (c if c in _PRINTABLE and c not in "\\`<>|%$\"'" else "?" for c in text[:limit])
    return "".join(kept)


def markdown(text: str, limit: int | None = 600) -> str:
    """One line of a Markdown page that is shown as it is.

    Example:
        >>> markdown("output 'a<b>' is `int8`, 95 %")
        "output 'a&lt;b&gt;' is \\\\`int8\\\\`, 95 %"
    """
    special = {ord(c): f"\\{c}" for c in "\\`*[]|#"}
    special |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    return printable(text, limit).translate(special)


def printable(text: str, limit: int | None = None) -> str:
    """One line without terminal control characters.

    Example:
        >>> printable("\x1b[2J'dense'\\n99 %")
        "?[2J'dense' 99 %"
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text[:limit])


def c_comment(text: str, limit: int | None = 120) -> str:
    """Text inside a block comment: printable ASCII that cannot end or nest the comment.

    Example:
        >>> c_comment("a */ b /* c")
        'a *? b ?* c'
    """
    return plain(text, limit).replace("*/", "*?").replace("/*", "?*").replace("??", "? ")


def c_float(value: float) -> str:
    """The shortest decimal literal that is exactly this float32.

    Example:
        >>> c_float(3e-7)
        '3e-07f'
        >>> c_float(0.5)
        '0.5f'
        >>> c_float(2.0)
        '2.0f'
    """
    import numpy as np  # imported here, because commands that print no C do not need it

    return f"{np.float32(value)!s}f"


def c_number(value: int) -> str:
    """An integer that is an int32_t in C."""
    return INT32_MIN if value == -(2**31) else str(value)


def c_numbers(values: Iterable[int], indent: str = "    ", width: int = 92) -> str:
    """Integers separated by commas, wrapped to a width; INT32_MIN in a form that C accepts."""
    return c_list(map(c_number, values), indent, width)


def c_list(numbers: Iterable[str], indent: str = "    ", width: int = 92) -> str:
    """Numbers separated by commas, wrapped to a width."""
    lines: list[str] = []
    line = indent
    for number in numbers:
        text = number + ","
        if len(line) + len(text) > width and line != indent:
            lines.append(line.rstrip())
            line = indent
        line += text + " "
    lines.append(line.rstrip())
    return "\n".join(lines)
