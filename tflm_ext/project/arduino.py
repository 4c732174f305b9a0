"""lib/<Name>/ of a generated project, a PlatformIO and Arduino library, and its .zip.

library.properties has no `depends` line for TensorFlow Lite Micro: the IDE would look for it in the
Library Manager, which no longer has it. The sketch and the README of runtime "tflm" say where to
get it. A library that the driver of a sensor needs is there, so it has a line.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

from tflm_ext.emit.ports import (
    ElementsView,
    PortView,
    element_kinds,
    formula,
    golden_tables,
    input_views,
    output_views,
    pointer_type,
    titled,
)
from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.builds import build_files
from tflm_ext.project.parts import Parts
from tflm_ext.project.sensors import Sensor


@dataclass(frozen=True, slots=True)
class _PortRow:
    what: str
    shape: str
    dtype: str
    formula: str


@dataclass(frozen=True, slots=True)
class _LibraryView:
    """Variables of library.h, library.properties and README.md."""

    name: str
    upper: str
    library: str
    sha256: str
    version: str
    model_version: str
    url: str
    weight_bytes: int
    arena_bytes: int
    ports: tuple[_PortRow, ...]
    subject: str
    header: str
    what: str
    paragraph: str
    pipeline: str
    depends: str
    runtime: Any


@dataclass(frozen=True, slots=True)
class _SampleView:
    name: str
    kinds: str
    tables: tuple[ElementsView, ...]


@dataclass(frozen=True, slots=True)
class _KeywordsView:
    """Variables of keywords.txt."""

    library: str
    types: tuple[str, ...]
    functions: tuple[str, ...]
    constants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ExampleView:
    """Variables of example.ino."""

    name: str
    upper: str
    library: str
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]
    output_type: str
    runtime: Any


def arduino_files(
    facts: ModelFacts,
    library_sources: tuple[RenderedFile, ...],
    parts: Parts,
    example: tuple[RenderedFile, ...] | None = None,
    sensor: Sensor | None = None,
) -> tuple[RenderedFile, ...]:
    """Return the library around a model's C, and its .zip.

    Args:
        library_sources: C or C++ of the model; paths are relative to the library's src/.
        parts: what the runtime contributes.
        example: a sketch and its files; by default, model_example().
        sensor: of the board, for the pipeline; its drivers and an example are added.

    Returns:
        lib/<Name>/, including the sources; if the board can run the model, also the files that
        Arduino needs there, and arduino/<Name>.zip.
    """
    view = _library_view(facts, parts, sensor)
    if sensor is not None:
        paths = {file.path for file in library_sources}
        added = tuple(file for file in sensor.files if file.path not in paths)
        library_sources = (*library_sources, *added)
    folder = f"lib/{facts.library}"
    library = (
        RenderedFile.text(f"{folder}/library.json", _library_json(view)),
        RenderedFile(f"{folder}/LICENSE", verbatim("arduino/LICENSE")),
        RenderedFile.text(f"{folder}/src/{facts.library}.h", render("arduino/library.h.j2", view)),
        *(RenderedFile(f"{folder}/src/{file.path}", file.content) for file in library_sources),
        *build_files(facts, library_sources, parts),
    )
    if not parts.for_board:
        return library
    headers = (f"{facts.name}_model.h", f"{facts.name}_sense.h")
    texts = [f.content.decode("ascii") for f in library_sources if f.path in headers]
    library = (*library, *_for_arduino(facts, view, parts, "\n".join(texts)))
    folder = f"{folder}/examples/{facts.library}"
    shown = model_example(facts, parts) if example is None else example
    library += tuple(RenderedFile(f"{folder}/{file.path}", file.content) for file in shown)
    if sensor is not None:
        name = f"{facts.library}Sensor"
        path = f"lib/{facts.library}/examples/{name}/{name}.ino"
        library += (RenderedFile.text(path, sensor.sketch),)
    return (*library, RenderedFile(f"arduino/{facts.library}.zip", _zip(library)))


def _for_arduino(
    facts: ModelFacts, view: _LibraryView, parts: Parts, interface: str
) -> tuple[RenderedFile, ...]:
    """Return the files that turn the PlatformIO library into an Arduino library.

    Args:
        interface: text of its headers for users.
    """
    folder = f"lib/{facts.library}"
    return (
        RenderedFile.text(
            f"{folder}/library.properties", render("arduino/library.properties.j2", view)
        ),
        RenderedFile.text(
            f"{folder}/keywords.txt",
            render("arduino/keywords.txt.j2", _keywords(facts, interface)),
        ),
        RenderedFile.text(f"{folder}/README.md", render(parts.template("library.md.j2"), view)),
    )


def model_example(facts: ModelFacts, parts: Parts) -> tuple[RenderedFile, ...]:
    """Return the sketch of a model, which runs its first golden vector, and its sample.h."""
    sketch = render(parts.template("example.ino.j2"), _example_view(facts, parts))
    return (
        RenderedFile.text(f"{facts.library}.ino", sketch),
        RenderedFile.text("sample.h", render("arduino/sample.h.j2", _sample_view(facts))),
    )


def _keywords(facts: ModelFacts, interface: str) -> _KeywordsView:
    """Return what a header declares."""
    name, upper = facts.name, facts.upper
    functions = re.findall(rf"\b({name}_\w+)\(", interface)
    macros = re.findall(rf"#define ({upper}_\w+) ", interface)
    values = re.findall(rf"^    ({upper}_\w+) = ", interface, re.MULTILINE)
    return _KeywordsView(
        library=facts.library,
        types=tuple(dict.fromkeys(re.findall(rf"\b{name}_\w+_t\b", interface))),
        functions=tuple(dict.fromkeys(functions)),
        constants=tuple(dict.fromkeys((*macros, *values))),
    )


def _library_view(facts: ModelFacts, parts: Parts, sensor: Sensor | None) -> _LibraryView:
    return _LibraryView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        sha256=facts.sha256,
        version=facts.version,
        model_version=facts.model_version,
        url=facts.url,
        weight_bytes=facts.weight_bytes,
        arena_bytes=facts.arena_bytes,
        ports=tuple(
            _PortRow(
                what=titled(port, f"{kind} {i}"),
                shape=" x ".join(map(str, port.shape)) or "1",
                dtype=port.dtype.value,
                formula=formula(port),
            )
            for kind, ports in (("input", facts.inputs), ("output", facts.outputs))
            for i, port in enumerate(ports)
        ),
        subject=parts.subject,
        header=facts.header,
        what=parts.what,
        paragraph=parts.paragraph,
        pipeline=facts.pipeline,
        depends="" if sensor is None else sensor.depends,
        runtime=parts.view,
    )


def _sample_view(facts: ModelFacts) -> _SampleView:
    tables = golden_tables(facts, facts.golden[:1])
    return _SampleView(name=facts.name, kinds=element_kinds(facts), tables=tables)


def _example_view(facts: ModelFacts, parts: Parts) -> _ExampleView:
    return _ExampleView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        inputs=input_views(facts),
        outputs=output_views(facts),
        output_type=pointer_type(facts.outputs),
        runtime=parts.view,
    )


def _library_json(view: _LibraryView) -> str:
    """Return PlatformIO's manifest: all platforms and frameworks, sources in src/."""
    manifest = {
        "name": view.library,
        "version": view.model_version,
        "description": f"{view.subject} {view.name} {view.what}",
        "license": "0BSD",
        "headers": f"{view.library}.h",
        "frameworks": "*",
        "platforms": "*",
    }
    return json.dumps(manifest, indent=2) + "\n"


def _zip(library: tuple[RenderedFile, ...]) -> bytes:
    """Return a .zip with one top-level folder, with the same bytes on every machine.

    Files are stored, not deflated, because different versions of zlib produce different bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(library, key=lambda file: file.path):
            entry = zipfile.ZipInfo(file.path.removeprefix("lib/"))  # dated 1980-01-01
            entry.create_system = 3  # Unix, regardless of the current system
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, file.content)
    return buffer.getvalue()
