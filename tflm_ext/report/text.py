"""A report as text for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tflm_ext.document import rows
from tflm_ext.emit.escape import c_float, plain, printable
from tflm_ext.emit.ports import allowed, lifted_inputs
from tflm_ext.report.detail import detail_lines
from tflm_ext.report.parts import MemoryPart
from tflm_ext.report.pipeline import delay_ms
from tflm_ext.report.report import Report

if TYPE_CHECKING:
    from rich.console import RenderableType

_PIPE_WIDTH = 200


def print_report(report: Report, *, operators: bool = True, losses: bool = True) -> None:
    """Print ports, operators, memory, flash and warnings to standard output.

    Args:
        losses: also print the warnings about lost accuracy.
    """
    from rich.console import Console

    # Do not wrap lines that go into a pipe.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(highlight=False, markup=False, width=width)
    with console.capture() as printed:
        for part in _parts(report, operators):
            console.print(part)
    for line in printed.get().splitlines():
        print(line.rstrip())
    if report.detail is not None:
        print()
        for line in detail_lines(report.detail, report.plan):
            print(line)
    for warning in report.warnings:
        if warning not in report.losses:
            print(f"warning: {printable(warning, 600)}")
    for loss in report.losses if losses else ():
        print(f"WARNING: {printable(loss)}")


def _parts(report: Report, operators: bool) -> list[RenderableType]:
    from rich.table import Table

    facts, plan = report.facts, report.plan
    parts: list[RenderableType] = [f"{facts.name}  sha256 {facts.sha256[:16]}"]
    ports = Table(box=None, pad_edge=False)
    for heading in ("tensor", "shape", "scale", "zero point", "name"):
        ports.add_column(heading)
    for kind, found in (("input", facts.inputs), ("output", facts.outputs)):
        for i, b in enumerate(found):
            shape = "x".join(map(str, b.shape))
            real = ("", "")
            if b.quantization is None:
                shape += f" {b.dtype.value}"
                shape = " ".join((shape, *allowed(b)))
            else:
                scale = c_float(b.quantization.scale).removesuffix("f")
                real = (scale, str(b.quantization.zero_point))
            ports.add_row(f"{kind} {i}", shape, *real, plain(b.name or b.tensor_name))
    if facts.inputs:
        parts += ["", ports, *(f"computed before int8, {text}" for text in lifted_inputs(facts))]
    if operators and facts.inputs:
        table = Table(box=None, pad_edge=False)
        for heading, justify in (
            ("#", "right"),
            ("operator", "left"),
            ("kernel", "left"),
            ("output", "left"),
            ("MACs", "right"),
            ("weights B", "right"),
            ("arena", "left"),
            ("layer", "left"),
        ):
            table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        for step in plan.steps:
            out = step.view.node.outputs[0]
            at, size = plan.offsets.get(out), plan.graph.tensors[out].bytes
            table.add_row(
                str(step.index),
                step.view.node.operator,
                step.kernel.name,
                "x".join(map(str, step.view.output().shape)),
                f"{step.macs:,}",
                f"{step.weight_bytes:,}",
                "" if at is None else f"{at}..{at + size}",
                plain(step.view.keras_layer or ""),
            )
        parts += ["", table]
    parts += ["", _figures(report)]
    return parts


def _figures(report: Report) -> RenderableType:
    from rich.table import Table

    plan = report.plan
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for row in _pipeline(report):
        table.add_row(*row)
    if not report.facts.inputs:
        return table
    for row in _footprint(report):
        table.add_row(*row)
    for row in rows(MemoryPart, report):
        table.add_row(*row)
    fewer = f", of {report.facts.macs:,} in the .tflite" if plan.macs < report.facts.macs else ""
    table.add_row("MACs", f"{plan.macs:,}", f"per inference{fewer}")
    if report.vectors:
        table.add_row("compared", f"{report.vectors:,}", "inputs with TFLM, 0 mismatches")
    for a in report.scores:
        name = a.metric.replace("_", " ")
        if len(report.facts.outputs) > 1:
            name = f"{name} of output {a.output}"
        for who, value in (
            ("Keras float", a.float_model),
            ("int8 in TFLM", a.int8_tflm),
            ("the C as it ran", a.int8_c),
        ):
            if value is not None:
                table.add_row(f"{name}, {who}", f"{value:.4f}", f"on {a.samples:,} samples")
        if a.drop is not None and a.drop_interval is not None:
            unit = "" if a.metric == "accuracy" else "of the mean deviation of the targets, "
            low, high = a.drop_interval
            about = f"{unit}95 % interval {low:.4f} to {high:.4f}"
            table.add_row(f"{name}, lost as int8", f"{a.drop:.4f}", about)
    if report.int8_error is not None:
        e = report.int8_error
        about = f"of the standard deviation in float, {e.samples:,} samples of {e.data}"
        for i, output in enumerate(e.outputs):
            if output.ratio is not None:
                table.add_row(f"int8 error, output {i}", f"{output.ratio:.4f}", about)
    if report.bench is not None:
        for row in _measured(report.bench):
            table.add_row(*row)
    return table


def _pipeline(report: Report) -> Iterator[tuple[str, str, str]]:
    """Return the rows about the pipeline, as it was exported."""
    proof = report.pipeline
    if proof is None:
        return
    ring = f"bytes, exact, of which {proof.ring_bytes:,} for samples that wait"
    yield "pipeline, RAM", f"{proof.context_bytes:,}", ring
    yield "pipeline, delay", f"{delay_ms(proof.pipeline):,g}", "ms from a cause to its event"
    yield "pipeline, compared", f"{proof.frames:,}", "frames with NumPy, 0 mismatches"
    if report.bench is not None and not report.facts.inputs:
        yield from _measured_pipeline(report.bench["pipeline"])


def _footprint(report: Report) -> Iterator[tuple[str, str, str]]:
    """Return the rows about flash and RAM."""
    needs = report.footprint
    exact = needs.code_bytes is not None  # None for an interpreter
    weights = "weights" if exact else "model"
    yield f"flash, {weights}", f"{needs.weight_bytes:,}", "bytes, exact"
    if report.encoding is not None:
        before = f"{report.encoding['tflite_bytes_before']:,}"
        yield "flash, not encoded", before, "bytes, the same model before"
    if needs.code_bytes is None:
        yield "flash, code", "", "not known: tflm-ext build measures TFLM's code"
        arena = f"bytes, including {needs.arena_bytes:,} of arena"
        yield "RAM, context", f"{needs.context_bytes:,}", arena
    else:
        yield "flash, code", f"{needs.code_bytes:,}", "bytes, estimated"
        yield "RAM, context", f"{needs.context_bytes:,}", "bytes, exact"


def _measured(bench: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows about measurements on the emulated core."""
    where = f"on the emulated {bench['core']}, {bench['compiler']}"
    rows = [
        ("instructions", f"{bench['instructions']:,}", f"executed {where}"),
        ("stack", f"{bench['stack_bytes']:,}", f"bytes used {where}"),
        ("code, measured", f"{bench['code_bytes']:,}", f"bytes, {bench['compiler']}"),
    ]
    if bench["cycles"] is not None:
        least, most = bench["milliseconds"]
        rows.insert(
            1,
            (
                "est. cycles",
                f"{bench['cycles']:,}",
                "of the core, from its manual, without wait states",
            ),
        )
        expected = "ms, expected on the board, from published ratios"
        rows.insert(2, ("time", f"{least:.3g} to {most:.3g}", expected))
    return rows + ([] if bench.get("pipeline") is None else _measured_pipeline(bench["pipeline"]))


def _measured_pipeline(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows about the pipeline before the model."""
    rows = [
        ("pipeline, instructions", f"{found['instructions']:,}", "for a hop, without the model"),
        ("pipeline, instructions", f"{found['instructions_per_second']:,}", "per second"),
        ("pipeline, flash", f"{found['flash_bytes']:,}", "bytes, measured"),
    ]
    if found["clock_share"] is not None:
        share = f"{100 * found['clock_share']:.2f} %"
        rows.append(("pipeline, busy", share, "of the board's clock, by est. cycles"))
    return rows
