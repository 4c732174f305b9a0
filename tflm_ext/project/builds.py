"""Files of lib/<Name>/ for other builds: plain CMake, ESP-IDF, Zephyr."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.parts import Parts


@dataclass(frozen=True, slots=True)
class _BuildView:
    """Variables of the files in templates/builds/.

    Attributes:
        numbers: of the model's version, which is all that CMake takes.
        sources: paths of the .c files in lib/<Name>/.
    """

    name: str
    upper: str
    library: str
    version: str
    model_version: str
    numbers: str
    url: str
    subject: str
    header: str
    what: str
    paragraph: str
    sources: tuple[str, ...]


def build_files(
    facts: ModelFacts, library_sources: Sequence[RenderedFile], parts: Parts
) -> tuple[RenderedFile, ...]:
    """Return a CMakeLists.txt that is a CMake target, an ESP-IDF component and a Zephyr module.

    Args:
        library_sources: C of the model; paths are relative to the library's src/.

    Returns:
        Nothing if the sources need a library that each of these builds has in its own way.
    """
    if not parts.self_contained:
        return ()
    view = _BuildView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        model_version=facts.model_version,
        numbers=re.split("[-+]", facts.model_version)[0],
        url=facts.url,
        subject=parts.subject,
        header=facts.header,
        what=parts.what,
        paragraph=parts.paragraph,
        sources=tuple(sorted(f"src/{f.path}" for f in library_sources if f.path.endswith(".c"))),
    )
    return tuple(
        RenderedFile.text(f"lib/{facts.library}/{path}", render(f"builds/{template}.j2", view))
        for path, template in (
            ("CMakeLists.txt", "CMakeLists.txt"),
            ("idf_component.yml", "idf_component.yml"),
            ("zephyr/module.yml", "module.yml"),
            ("zephyr/Kconfig", "Kconfig"),
        )
    )
