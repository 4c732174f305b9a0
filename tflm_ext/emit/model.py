"""The compiled runtime of one model: public header, operators, tables and kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tflm_ext.emit.escape import c_numbers
from tflm_ext.emit.included import with_included
from tflm_ext.emit.ports import PortView, input_views, pointer_type, port_views
from tflm_ext.emit.render import render, verbatim
from tflm_ext.emit.steps import (
    PointerLine,
    StepView,
    commented,
    layer_of,
    scratch,
    shapes,
    step_view,
    written,
)
from tflm_ext.emit.wrap import WIDTH, paragraph, titled_comment
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.kernels import LIMITS
from tflm_ext.kernels.packing import TERMS
from tflm_ext.plan import Plan, Step
from tflm_ext.plan.footprint import arena_bytes
from tflm_ext.plan.tables import Table, constants
from tflm_ext.reference import initial_value


@dataclass(frozen=True, slots=True)
class _HeaderView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    weight_bytes: int
    arena_bytes: int
    macs: int
    stateful: bool
    input_type: str
    output_type: str
    ports: tuple[PortView, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class _StateView:
    comment: str
    offset: int
    fill: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _SourceView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    magic: str
    weight_bytes: int
    arena_bytes: int
    stateful: bool
    plan_lines: tuple[str, ...]
    headers: tuple[str, ...]
    steps: tuple[StepView, ...]
    states: tuple[_StateView, ...]
    inputs: tuple[PortView, ...]
    input_type: str
    input_offsets: tuple[str, ...]
    output_type: str
    output_offsets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _TableView:
    ctype: str
    symbol: str
    count: int
    comment: str
    values: str


@dataclass(frozen=True, slots=True)
class _WeightsView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    weight_bytes: int
    arena_bytes: int
    terms: tuple[str, ...]
    tables: tuple[_TableView, ...]


def model_files(facts: ModelFacts, plan: Plan) -> tuple[RenderedFile, ...]:
    """The C of a model, with paths below lib/<Name>/src/."""
    weights = _weights_view(facts, plan)
    headers = _kernel_headers(plan)
    files = [
        RenderedFile.text(
            f"{facts.name}_model.h", render("model/model.h.j2", _header_view(facts, plan))
        ),
        RenderedFile.text(
            f"{facts.name}_model.c", render("model/model.c.j2", _source_view(facts, plan, headers))
        ),
        RenderedFile.text(f"{facts.name}_weights.h", render("model/weights.h.j2", weights)),
        RenderedFile.text(f"{facts.name}_weights.c", render("model/weights.c.j2", weights)),
    ]
    files.extend(
        RenderedFile(f"tflm_ext/{header}", verbatim(path))
        for header, path in with_included(headers, ("kernels",))
    )
    return tuple(files)


def _kernel_headers(plan: Plan) -> tuple[str, ...]:
    limits = (step.call.limits for step in plan.steps)
    limited = {f"{LIMITS[limit.dtype]}.h" for limit in limits if limit is not None}
    return tuple(sorted(limited | {step.kernel.header for step in plan.steps}))


def _header_view(facts: ModelFacts, plan: Plan) -> _HeaderView:
    return _HeaderView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        macs=plan.macs,
        stateful=any(True for _ in _states(plan)),
        input_type=pointer_type(facts.inputs),
        output_type=pointer_type(facts.outputs),
        ports=port_views(facts),
        model_version=facts.model_version,
    )


def _source_view(facts: ModelFacts, plan: Plan, headers: tuple[str, ...]) -> _SourceView:
    graph = plan.graph
    return _SourceView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        magic=f"0x{facts.sha256[:8].upper()}",
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        stateful=any(True for _ in _states(plan)),
        plan_lines=_plan_lines(plan),
        headers=headers,
        steps=tuple(step_view(facts.name, plan, step) for step in plan.steps),
        states=tuple(_states(plan)),
        inputs=input_views(facts),
        input_type=pointer_type(facts.inputs),
        input_offsets=tuple(_offsets(plan, graph.inputs)),
        output_type=pointer_type(facts.outputs),
        output_offsets=tuple(_offsets(plan, graph.outputs)),
    )


def _offsets(plan: Plan, tensors: Iterable[int]) -> list[str]:
    """Lines of a table of offsets, with comments."""
    graph, offsets = plan.graph, plan.offsets
    lines = [PointerLine.to_tensor(f"{offsets[i]}U,", graph.tensors[i]) for i in tensors]
    return commented(lines, 8)


def _states(plan: Plan) -> Iterator[_StateView]:
    for i, tensor in plan.graph.tensors.items():
        if tensor.variable and i in plan.offsets:
            fill = int(initial_value(tensor).flat[0])
            comment = PointerLine.to_tensor("", tensor).comment(WIDTH - 4)
            yield _StateView(comment, plan.offsets[i], fill, tensor.bytes)


def _plan_lines(plan: Plan) -> tuple[str, ...]:
    title = ("#", "operator", "kernel", "MACs", "writes", "scratch", "shapes", "layer")
    rows = [title, *(_plan_row(plan, step) for step in plan.steps)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(title))]
    numeric = (0, 3)
    return tuple(
        "  ".join(
            cell.rjust(widths[i]) if i in numeric else cell.ljust(widths[i])
            for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def _plan_row(plan: Plan, step: Step) -> tuple[str, ...]:
    return (
        str(step.index),
        step.view.node.operator,
        step.kernel.name,
        str(step.macs),
        written(plan, step),
        scratch(step) or "-",
        shapes(step.view),
        layer_of(step.view),
    )


def _weights_view(facts: ModelFacts, plan: Plan) -> _WeightsView:
    uses = _uses(plan)
    return _WeightsView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        terms=tuple(line for term in _terms(uses) for line in paragraph(term)),
        tables=tuple(_table_view(table, uses[table.symbol]) for table in plan.tables),
    )


def _table_view(table: Table, uses: _Uses) -> _TableView:
    values = np.frombuffer(table.const.data, table.const.dtype.numpy)
    return _TableView(
        ctype=table.const.dtype.c,
        symbol=table.symbol,
        count=len(values),
        comment=titled_comment(*_used(uses)),
        values=c_numbers(values.tolist()),
    )


_Uses: TypeAlias = dict[tuple[str, str], dict[str, list[int]]]
"""By role and layout, the names of the operators that use a table so, and their numbers."""


def _uses(plan: Plan) -> dict[str, _Uses]:
    """By the symbol of a table, what it is for which operators."""
    found: dict[str, _Uses] = {table.symbol: {} for table in plan.tables}
    for step in plan.steps:
        for const, table in zip(constants(step.view, step.call), step.tables, strict=True):
            users = found[table.symbol].setdefault((const.role, const.layout), {})
            users.setdefault(step.view.node.operator, []).append(step.index)
    return found


def _used(uses: _Uses) -> Iterator[tuple[str, str]]:
    """What a table is for which operators, and its layout: once for each of its meanings."""
    for (role, layout), users in uses.items():
        names = [f"{', '.join(map(str, own))} {name}" for name, own in users.items()]
        plural = "s" if sum(map(len, users.values())) > 1 else ""
        yield f"{role.replace('_', ' ')} of operator{plural} {', '.join(names)}", layout


def _terms(uses: Mapping[str, _Uses]) -> tuple[str, ...]:
    """Explanations of the terms in the layouts of the tables, a paragraph each."""
    layouts = " ".join(layout for own in uses.values() for _, layout in own)
    return tuple(f"{term}: {text}" for term, text in TERMS.items() if term in layouts)
