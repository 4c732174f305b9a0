"""Parts: what one runtime puts into a project besides the sources of the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.ir.rendered import RenderedFile


@dataclass(frozen=True, slots=True)
class Parts:
    """What the files of a project say of the runtime, and which files it adds.

    Attributes:
        runtime: its name. templates/runtimes/<name>/ has its version of every template that
            template() is asked for.
        what: what runs the model, after "The neural network digits", for library managers.
        paragraph: what it takes and needs besides, likewise.
        view: what those templates know as `runtime`, besides the variables of all runtimes.
        for_board: whether the board can run the model: its environment, and an Arduino library.
        files: of the project, besides those that every runtime has.
        ignored: lines of .gitignore, besides those of every project.
        linked: sources on this computer to which project.link.LINK points.
    """

    runtime: str
    what: str
    paragraph: str
    view: Any = None
    for_board: bool = True
    files: tuple[RenderedFile, ...] = ()
    ignored: tuple[str, ...] = ()
    linked: Path | None = None

    def template(self, name: str) -> str:
        """The runtime's version of a template, for render()."""
        return f"runtimes/{self.runtime}/{name}"
