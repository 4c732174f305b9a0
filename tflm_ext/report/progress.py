"""Progress of long steps on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def show_progress(
    enabled: bool | Callable[[str], None],
) -> Iterator[Callable[[str], None]]:
    """A function that says what is being done now, on standard error.

    Nothing is shown when disabled or when standard error is no terminal. A function of the user's
    is taken as it is.
    """
    if callable(enabled):
        yield enabled
        return
    if not enabled or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(f"{text} ...")
