"""Long lines of C, broken where clang-format breaks them: names of models have any length."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

WIDTH = 100
"""The most columns of a line of C, as .clang-format says."""

_MARGIN = " " * len(" *     ")
_NOT_CODE = ("*", "/*", "//", "#", '"')


def paragraph(text: str) -> list[str]:
    """Text as lines inside a block comment; those after the first are indented."""
    return textwrap.wrap(text, WIDTH - 3, subsequent_indent="    ", break_long_words=False)


def wrapped(text: str) -> list[str]:
    """Text as lines inside an indented block comment."""
    return textwrap.wrap(text, WIDTH - 7, break_long_words=False)


def prose(text: str) -> str:
    """Text of any width as a comment that ends a line: on one line if it fits."""
    words = " ".join(text.split())
    if len(words) + len("/*  */") <= WIDTH:
        return f"/* {words} */\n"
    lines = textwrap.wrap(words, WIDTH - 3, break_long_words=False)
    return "\n".join(("/*", *(f" * {line}" for line in lines), " */\n"))


def code_in_comment(text: str) -> str:
    """Lines of code in the middle of a block comment, indented, and broken like code."""
    lines = (wrap(f"{_MARGIN}{line}") if line else "" for line in text.splitlines())
    broken = "\n".join(lines).splitlines()
    return "".join(f" *{line[2:]}".rstrip() + "\n" for line in broken)


def titled_comment(*texts: tuple[str, str]) -> str:
    """A comment of titles and texts: on one line if there is one short text, else on their own."""
    short = [f"{title}: {text}" for title, text in texts]
    if len(short) == 1 and len(short[0]) + len("/*  */") <= WIDTH:
        return f"/* {short[0]} */"
    lines = [
        f" * {line}"
        for title, text in texts
        for line in (*paragraph(f"{title}:"), *(f"    {part}" for part in wrapped(text)))
    ]
    return "\n".join(("/*", *lines, " */"))


def wrap(text: str) -> str:
    """Text in which lists in parentheses that reach beyond WIDTH are broken into several lines."""
    return "".join(_broken(line) for line in text.splitlines(keepends=True))


def _broken(line: str) -> str:
    code = line.rstrip("\n")
    if len(code) <= WIDTH or "(" not in code or code.lstrip().startswith(_NOT_CODE):
        return line
    start = code.index("(", code.find("(void)") + 1) + 1
    pieces = list(_pieces(code[start:]))
    return "\n".join(_lines(code[:start], pieces)) + line[len(code) :]


def _lines(head: str, pieces: list[str]) -> list[str]:
    """What ends with a parenthesis, and the pieces of the list that follows it."""
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    assigned = re.fullmatch(r"(.* [|]?=) (.*)", head)
    if assigned and _fit(right := [f"{indent}{assigned[2]}{' '.join(pieces)}"]):
        return [assigned[1], *right]
    below = _filled(head, pieces, len(head))
    after = [head, *_filled(indent, pieces, len(indent))]
    if assigned:
        call = f"{indent}{assigned[2]}"
        right = [assigned[1], *_filled(call, pieces, len(call))]
        others = [len(lines) for lines in (below, after) if _fit(lines)]
        if _fit(right) and len(right) <= min(others, default=len(right)):
            return right
    function = re.fullmatch(r"([\w* ]*\w[ *]+)(\w+\()", head)
    if function is None or function[1].strip() == "return":
        return below if _fit(below) and len(below) <= len(after) else after
    typed = [function[1].rstrip(), *_filled(function[2], pieces, len(function[2]))]
    # All on a line of its own is better than one on each of three lines.
    alone = _fit(typed) and len(typed) == 2 and len(below) > 2
    if _fit(below) and not alone:
        return below
    if _fit(typed) and len(typed) <= len(after) + (typed[0] != "void"):
        return typed
    return after if _fit(after) else [function[1].rstrip(), function[2], *after[1:]]


def _fit(lines: list[str]) -> bool:
    return all(len(line) <= WIDTH for line in lines)


def _pieces(text: str) -> Iterator[str]:
    """What is between the places at which a list in an open parenthesis may be broken."""
    depth, last = 1, 0
    for match in re.finditer(r"[(\[{]|[)\]}]|(, |&& |\|\| |[!=]= )", text):
        if match[1] is None:
            depth += 1 if match[0] in "([{" else -1
        elif depth == 1:
            yield text[last : match.end()].rstrip()
            last = match.end()
    yield text[last:]


def _filled(first: str, pieces: list[str], column: int) -> list[str]:
    """Pieces on as few lines as possible; lines after the first begin at a column."""
    lines = [first]
    for piece in pieces:
        space = " " if lines[-1].strip() and lines[-1] != first else ""
        if len(lines[-1]) + len(space) + len(piece) > WIDTH and lines[-1] != first:
            lines.append(" " * column + piece)
        else:
            lines[-1] += space + piece
    return lines
