"""src/ of a generated project: firmware for the board, the host and the emulated core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflm_ext.emit.ports import (
    ElementsView,
    PortView,
    element_kinds,
    golden_tables,
    input_views,
    output_views,
    pointer_type,
)
from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.parts import Parts

GOLDEN_BYTES = 32 * 1024
"""Limit, in bytes of flash, for the golden vectors in the firmware; it always has the first one."""


@dataclass(frozen=True, slots=True)
class GoldenView:
    """Variables of apps/golden.h.j2."""

    name: str
    upper: str
    version: str
    command: str
    sha256: str
    count: int
    kinds: str
    tables: tuple[ElementsView, ...]


@dataclass(frozen=True, slots=True)
class MainView:
    """Variables of apps/main.cpp.j2."""

    name: str
    upper: str
    library: str
    version: str
    sha256: str
    inputs: tuple[PortView, ...]
    input_type: str
    outputs: tuple[PortView, ...]
    output_type: str
    runtime: Any


def firmware_files(facts: ModelFacts, parts: Parts) -> tuple[RenderedFile, ...]:
    """Return the files of src/.

    Args:
        facts: the model, with at least one golden vector.
        parts: what the runtime contributes.

    Returns:
        src/main.cpp, src/protocol.h and src/golden.h.
    """
    main = MainView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        sha256=facts.sha256,
        inputs=input_views(facts),
        input_type=pointer_type(facts.inputs),
        outputs=output_views(facts),
        output_type=pointer_type(facts.outputs),
        runtime=parts.view,
    )
    return (
        RenderedFile.text("src/main.cpp", render(parts.template("main.cpp.j2"), main)),
        RenderedFile("src/protocol.h", verbatim("apps/protocol.h")),
        RenderedFile.text("src/golden.h", golden_header(facts, _fitting(facts.golden))),
    )


def golden_header(facts: ModelFacts, vectors: tuple[GoldenVector, ...]) -> str:
    """Return a header with these golden vectors: `<name>_golden_input0[i]` and so on."""
    view = GoldenView(
        name=facts.name,
        upper=facts.upper,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        count=len(vectors),
        kinds=element_kinds(facts),
        tables=golden_tables(facts, vectors, 8),
    )
    return render("apps/golden.h.j2", view)


def _fitting(vectors: tuple[GoldenVector, ...]) -> tuple[GoldenVector, ...]:
    """Return the first vectors, up to GOLDEN_BYTES, but at least one."""
    size = sum(len(part) for part in (*vectors[0].inputs, *vectors[0].outputs))
    return vectors[: max(1, GOLDEN_BYTES // size)]
