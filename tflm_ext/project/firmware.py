"""src/ of a generated project: firmware for the board, the host and the emulated core."""

from __future__ import annotations

import json
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
from tflm_ext.emit.sense import capture_bytes
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.parts import Parts
from tflm_ext.project.sensors import Sensor
from tflm_ext.signals import Pipeline
from tflm_ext.signals.spec import Form
from tflm_ext.signals.written import written

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
class AppView:
    """Variables of app.h and app.cpp, and what main.cpp knows about the pipeline.

    Attributes:
        decides: whether there are events.
        samples: what arrives from the sensor, in words.
        several: whether there is more than one channel.
        digest: of the pipeline.
        sensor: that the firmware can start.
        item_bytes: of a sample of all channels.
        source: JSON of the pipeline's source, in hexadecimal digits.
        capture_bytes: of the ring of samples that may be sent; 0 if the firmware sends none.
    """

    name: str
    library: str
    version: str
    with_model: bool
    decides: bool
    image: bool
    sample_type: str
    samples: str
    several: bool
    rate: str
    digest: str
    sensor: Sensor | None
    item_bytes: int
    source: str
    capture_bytes: int


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
    pipeline: AppView | None
    runtime: Any


def firmware_files(
    facts: ModelFacts,
    parts: Parts,
    pipeline: Pipeline | None = None,
    sensor: Sensor | None = None,
    capture_seconds: float = 0.0,
) -> tuple[RenderedFile, ...]:
    """Return the files of src/.

    Args:
        facts: the model, with at least one golden vector.
        parts: what the runtime contributes.
        pipeline: before the model.
        sensor: of the board, for the pipeline.
        capture_seconds: for how long samples are remembered, which may be sent; 0 if none may.

    Returns:
        src/main.cpp, src/protocol.h and src/golden.h; with a pipeline also app.h, app.cpp and
        sensor.cpp; and what sends samples if they may be sent.
    """
    app = None if pipeline is None else app_view(facts, pipeline, sensor, capture_seconds)
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
        pipeline=app,
        runtime=parts.view,
    )
    return (
        *(() if app is None else app_files(app)),
        RenderedFile.text("src/main.cpp", render(parts.template("main.cpp.j2"), main)),
        *protocol_files(app),
        RenderedFile.text("src/golden.h", golden_header(facts, _fitting(facts.golden))),
    )


def protocol_files(view: AppView | None) -> tuple[RenderedFile, ...]:
    """Return src/protocol.h; with stream.h and recorded_sensor.h if samples may be sent."""
    sends = view is not None and view.capture_bytes > 0
    names = ("protocol.h", *(("stream.h", "recorded_sensor.h") if sends else ()))
    return tuple(RenderedFile(f"src/{name}", verbatim(f"apps/{name}")) for name in names)


def app_view(
    facts: ModelFacts, pipeline: Pipeline, sensor: Sensor | None, capture_seconds: float = 0.0
) -> AppView:
    """Return what the firmware says about a pipeline."""
    source = pipeline.source.spec
    image, several = source.form is Form.IMAGE, source.size > 1
    if image:
        samples = f"images of {source.size} values of {source.dtype.c}"
    elif several:
        samples = f"{source.dtype.c} of {source.size} channels, which alternate"
    else:
        samples = source.dtype.c
    return AppView(
        name=facts.name,
        library=facts.library,
        version=facts.version,
        with_model=bool(facts.outputs),
        decides=pipeline.decide is not None,
        image=image,
        sample_type=source.dtype.c,
        samples=samples,
        several=several,
        rate=f"{float(source.rate):g}",
        digest=pipeline.sha256,
        sensor=sensor,
        item_bytes=source.size * source.dtype.size,
        source=json.dumps(written(pipeline.source)).encode().hex().upper(),
        capture_bytes=capture_bytes(pipeline, capture_seconds),
    )


def app_files(view: AppView) -> tuple[RenderedFile, ...]:
    """Return src/app.h, src/sensor.cpp, and src/app.cpp, which is the user's."""
    return (
        RenderedFile.text("src/sensor.cpp", render("apps/sensor.cpp.j2", view)),
        RenderedFile.text("src/app.h", render("apps/app.h.j2", view)),
        RenderedFile.text("src/app.cpp", render("apps/app.cpp.j2", view), once=True),
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
