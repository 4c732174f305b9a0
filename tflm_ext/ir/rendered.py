"""RenderedFile: what every emitter returns and the project writer writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file of a generated project.

    Attributes:
        path: relative to the project, with forward slashes.
        content: bytes as they are written.
        executable: whether the file is run as a program.
        once: whether the file belongs to the user as soon as it exists: it is never changed, and is
            not among the files of report.json.
    """

    path: str
    content: bytes
    executable: bool = False
    once: bool = False

    @classmethod
    def text(
        cls, path: str, text: str, *, executable: bool = False, once: bool = False
    ) -> RenderedFile:
        return cls(path, text.encode("utf-8"), executable, once)


def write_files(files: Iterable[RenderedFile], folder: Path) -> None:
    """Write files below a new folder, for a compiler."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
