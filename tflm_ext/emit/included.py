"""Headers of templates/, with those that they include."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tflm_ext.emit.render import templates_folder, verbatim


def with_included(headers: Iterable[str], folders: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return headers and, transitively, those that they include.

    Args:
        headers: names of files.
        folders: below templates/, in which they are looked for, in this order.

    Returns:
        Sorted names, each with its path below templates/.
    """
    found: dict[str, str] = {}
    waiting = list(headers)
    while waiting:
        header = waiting.pop()
        if header not in found:
            found[header] = next(
                f"{folder}/{header}"
                for folder in folders
                if (templates_folder() / folder / header).is_file()
            )
            text = verbatim(found[header]).decode("utf-8")
            waiting.extend(re.findall(r'^#include "([^"]+)"', text, re.MULTILINE))
    return tuple(sorted(found.items()))
