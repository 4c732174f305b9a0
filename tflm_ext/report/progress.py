"""Progress of long steps on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tflm_ext.options import as_flag


@contextmanager
def show_progress(
    enabled: bool | Callable[[str], None],
) -> Iterator[Callable[[str], None]]:
    """Return a function that shows the current step on standard error.

    It shows nothing if progress is disabled, or if standard error is not a terminal. A function
    passed by the user is returned unchanged.

    Raises:
        ConfigError: it is neither True, False nor a function.
    """
    if callable(enabled):
        yield enabled
        return
    if not as_flag("progress", enabled) or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(f"{text} ...")
