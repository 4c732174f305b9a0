"""RenderedFile: what every emitter returns and the project writer writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file of a generated project.

    Attributes:
        path: relative to the project, with forward slashes.
        content: bytes as they are written.
        executable: whether the file is run as a program.
    """

    path: str
    content: bytes
    executable: bool = False

    @classmethod
    def text(cls, path: str, text: str, *, executable: bool = False) -> RenderedFile:
        return cls(path, text.encode("utf-8"), executable)
