"""Parts: what a runtime contributes to a project, in addition to the model's sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.ir.rendered import RenderedFile


@dataclass(frozen=True, slots=True)
class Parts:
    """Texts about the runtime in a project's files, and the files that it adds.

    Attributes:
        runtime: its name. templates/runtimes/<name>/ has its version of each template that is
            passed to template().
        subject: what the library is, before its name: "The neural network".
        what: what runs the model; for library managers, follows "The neural network digits".
        paragraph: sizes and dependencies, likewise for library managers.
        view: the variable `runtime` of those templates, in addition to those of all runtimes.
        for_board: whether the board can run the model; if so, the project has an environment for
            the board, and an Arduino library.
        self_contained: whether the model's sources need no library, so that any build takes them.
        files: of the project, in addition to those that every project has.
        ignored: lines of .gitignore, in addition to those of every project.
        linked: sources on this computer that project.link.LINK points to.
    """

    runtime: str
    what: str
    paragraph: str
    subject: str = "The neural network"
    view: Any = None
    for_board: bool = True
    self_contained: bool = True
    files: tuple[RenderedFile, ...] = ()
    ignored: tuple[str, ...] = ()
    linked: Path | None = None

    def template(self, name: str) -> str:
        """Return the runtime's version of a template, for render()."""
        return f"runtimes/{self.runtime}/{name}"
