"""src/ of a generated project: the firmware for board, host and emulated core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.parts import Parts

GOLDEN_BYTES = 32 * 1024
"""Flash that the golden vectors of the firmware may take. The first one is always there."""


@dataclass(frozen=True, slots=True)
class GoldenTable:
    """One input or output over all vectors.

    Attributes:
        port: "input0", "output0", ...
        size: bytes of one row.
        rows: raw int8 bytes.
    """

    port: str
    size: int
    rows: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class GoldenView:
    """Variables of apps/golden.h.j2."""

    name: str
    upper: str
    version: str
    command: str
    sha256: str
    count: int
    tables: tuple[GoldenTable, ...]


@dataclass(frozen=True, slots=True)
class MainView:
    """Variables of apps/main.cpp.j2; inputs and outputs are their indexes."""

    name: str
    upper: str
    library: str
    version: str
    sha256: str
    inputs: range
    outputs: range
    runtime: Any


def firmware_files(facts: ModelFacts, parts: Parts) -> tuple[RenderedFile, ...]:
    """The files of src/.

    Args:
        facts: what the project is about, with at least one golden vector.
        parts: of the runtime.

    Returns:
        src/main.cpp, src/protocol.h and src/golden.h.
    """
    main = MainView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        sha256=facts.sha256,
        inputs=range(len(facts.inputs)),
        outputs=range(len(facts.outputs)),
        runtime=parts.view,
    )
    return (
        RenderedFile.text("src/main.cpp", render(parts.template("main.cpp.j2"), main)),
        RenderedFile("src/protocol.h", verbatim("apps/protocol.h")),
        RenderedFile.text("src/golden.h", golden_header(facts, _fitting(facts.golden))),
    )


def golden_header(facts: ModelFacts, vectors: tuple[GoldenVector, ...]) -> str:
    """A header with these golden vectors, `<name>_golden_input0[i]` and so on."""
    inputs = zip(*(vector.inputs for vector in vectors), strict=True)
    outputs = zip(*(vector.outputs for vector in vectors), strict=True)
    tables = [GoldenTable(f"input{i}", len(rows[0]), rows) for i, rows in enumerate(inputs)]
    tables += [GoldenTable(f"output{i}", len(rows[0]), rows) for i, rows in enumerate(outputs)]
    view = GoldenView(
        name=facts.name,
        upper=facts.upper,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        count=len(vectors),
        tables=tuple(tables),
    )
    return render("apps/golden.h.j2", view)


def _fitting(vectors: tuple[GoldenVector, ...]) -> tuple[GoldenVector, ...]:
    """As many vectors from the front as fit into GOLDEN_BYTES, but at least one."""
    size = sum(len(part) for part in (*vectors[0].inputs, *vectors[0].outputs))
    return vectors[: max(1, GOLDEN_BYTES // size)]
