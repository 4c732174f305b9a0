"""Progress of long steps: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tflm_ext.emit.escape import printable
from tflm_ext.options import as_flag


@contextmanager
def show_progress(
    enabled: bool | Callable[[str], None],
) -> Iterator[Callable[[str], None]]:
    """Return a function that shows the current step on standard error.

    On a terminal and in a notebook, one line shows the current step. Elsewhere, as in a log, each
    step is a line. A function passed by the user is returned unchanged.

    Raises:
        ConfigError: it is neither True, False nor a function.
    """
    if callable(enabled):
        yield enabled
        return
    if not as_flag("progress", enabled):
        yield lambda text: None
        return
    if not sys.stderr.isatty() and not in_notebook():
        yield _Lines()
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(f"{text} ...")


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook that can show a changing line."""
    shell = sys.modules.get("IPython")
    found = shell and getattr(shell, "get_ipython", lambda: None)()
    return hasattr(found, "kernel") and importlib.util.find_spec("ipywidgets") is not None


class _Lines:
    """Prints each step once, when it starts: "calibrating: sample 7 of 9" is "calibrating"."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str) -> None:
        step, *counted = re.split(r"[\d,]+ of [\d,]+", text, maxsplit=1)
        if step != self._last:
            shown = step.partition(":")[0] if counted else text
            print(f"tflm_ext: {printable(shown)}", file=sys.stderr, flush=True)
        self._last = step
