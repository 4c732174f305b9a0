"""The compiled runtime of one model: public header, operators, tables and kernels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tflm_ext.emit.escape import c_comment, c_float, c_numbers
from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.kernels import LIMIT, Input, Inputs, Output, Outputs, Scratch
from tflm_ext.kernels.base import FieldValue
from tflm_ext.plan import Plan, Step
from tflm_ext.plan.footprint import arena_bytes
from tflm_ext.plan.tables import Table
from tflm_ext.reference import initial_value


@dataclass(frozen=True, slots=True)
class PortView:
    """One input or output as the public header shows it, whichever runtime runs the model."""

    what: str
    is_input: bool
    macro: str
    function: str
    tensor_name: str
    size: int
    rank: int
    shape: str
    scale: str
    zero_point: int


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
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ports: tuple[PortView, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _LimitView:
    fields: tuple[tuple[str, str], ...]
    output: str


@dataclass(frozen=True, slots=True)
class _StepView:
    function: str
    comment: str
    kernel: str
    fields: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    limited: _LimitView | None
    observed: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True, slots=True)
class _StateView:
    name: str
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
    steps: tuple[_StepView, ...]
    states: tuple[_StateView, ...]
    input_offsets: str
    output_offsets: str


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
        RenderedFile(f"tflm_ext/{header}", verbatim(f"kernels/{header}"))
        for header in _with_included(headers)
    )
    return tuple(files)


def _kernel_headers(plan: Plan) -> tuple[str, ...]:
    limited = {f"{LIMIT}.h" for step in plan.steps if step.call.limits}
    return tuple(sorted(limited | {step.kernel.header for step in plan.steps}))


def _with_included(headers: tuple[str, ...]) -> tuple[str, ...]:
    """The headers and, transitively, those that they include from their own folder."""
    found: set[str] = set()
    waiting = list(headers)
    while waiting:
        header = waiting.pop()
        if header not in found:
            found.add(header)
            text = verbatim(f"kernels/{header}").decode("utf-8")
            waiting.extend(re.findall(r'^#include "([^"]+)"', text, re.MULTILINE))
    return tuple(sorted(found))


def port_views(facts: ModelFacts) -> tuple[PortView, ...]:
    """The inputs and then the outputs, for templates that extend model/interface.h.j2."""
    return (
        *(_port_view("input", i, b) for i, b in enumerate(facts.inputs)),
        *(_port_view("output", i, b) for i, b in enumerate(facts.outputs)),
    )


def _port_view(kind: str, index: int, port: Port) -> PortView:
    return PortView(
        what=f"{kind} {index}",
        is_input=kind == "input",
        macro=f"{kind.upper()}{index}",
        function=f"{kind}{index}",
        tensor_name=port.tensor_name,
        size=port.size,
        rank=len(port.shape),
        shape=", ".join(map(str, port.shape)) or "1",
        scale=c_float(port.scale),
        zero_point=port.zero_point,
    )


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
        inputs=facts.inputs,
        outputs=facts.outputs,
        ports=port_views(facts),
        labels=facts.labels,
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
        steps=tuple(_step_view(facts.name, plan, step) for step in plan.steps),
        states=tuple(_states(plan)),
        input_offsets=", ".join(f"{plan.offsets[i]}U" for i in graph.inputs),
        output_offsets=", ".join(f"{plan.offsets[i]}U" for i in graph.outputs),
    )


def _states(plan: Plan) -> Iterator[_StateView]:
    for i, tensor in plan.graph.tensors.items():
        if tensor.variable and i in plan.offsets:
            fill = int(initial_value(tensor).flat[0])
            yield _StateView(tensor.name, plan.offsets[i], fill, tensor.bytes)


def _function(step: Step) -> str:
    return f"op{step.index:02d}_{step.view.node.operator.lower()}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _describe(view: NodeView) -> str:
    sources = ", ".join(_shape(t) for t in view.inputs if not t.constant and not t.variable)
    return f"{sources} -> {', '.join(_shape(t) for t in view.outputs)}"


def _layer(view: NodeView) -> str:
    """The Keras layer in a form that is safe in comments, because the name comes from the model."""
    return c_comment(view.keras_layer or "")


def _plan_lines(plan: Plan) -> tuple[str, ...]:
    rows = [("#", "operator", "kernel", "MACs", "arena", "shapes", "layer")]
    for step in plan.steps:
        out = step.view.node.outputs[0]
        at = plan.offsets[out]
        rows.append(
            (
                str(step.index),
                step.view.node.operator,
                step.kernel.name,
                str(step.macs),
                f"{at}..{at + plan.graph.tensors[out].bytes}",
                _describe(step.view),
                _layer(step.view),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = (0, 3)
    return tuple(
        "  ".join(
            cell.rjust(widths[i]) if i in numeric else cell.ljust(widths[i])
            for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def _step_view(name: str, plan: Plan, step: Step) -> _StepView:
    node = step.view.node
    layer = f", layer {_layer(step.view)}" if step.view.keras_layer else ""
    return _StepView(
        function=_function(step),
        comment=f"{step.index}: {node.operator} {_describe(step.view)}{layer}",
        kernel=step.kernel.name,
        fields=tuple((field, _value(value)) for field, value in step.call.fields),
        arguments=tuple(_arguments(name, plan, step)),
        limited=_limit_view(plan, step),
        observed=tuple(
            (i, f"&arena[{plan.offsets[i]}]", plan.graph.tensors[i].bytes) for i in node.outputs
        ),
    )


def _limit_view(plan: Plan, step: Step) -> _LimitView | None:
    """The call of LIMIT after a kernel that leaves its output's limits to LIMIT."""
    if step.call.limits is None:
        return None
    out = step.view.output()
    names = ("elements", "output_min", "output_max")
    values = map(str, (out.elements, *step.call.limits))
    offset = plan.offsets[step.view.node.outputs[0]]
    return _LimitView(
        tuple(zip(names, values, strict=True)), _pointer(offset, out.dtype, const=False)
    )


def _value(value: FieldValue) -> str:
    if isinstance(value, tuple):
        return "{ " + ", ".join(map(_value, value)) + " }"
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _pointer(offset: int, dtype: DType, *, const: bool) -> str:
    if dtype is DType.INT8:
        return f"&arena[{offset}]"
    # Offsets are multiples of 4 and the arena is aligned, so the cast is safe.
    qualifier = "const " if const else ""
    return f"({qualifier}{dtype.c} *)({qualifier}void *)&arena[{offset}]"


def _array(ctype: str, elements: Iterable[str]) -> str:
    """A compound literal, its elements on lines of their own."""
    lines = ",\n            ".join(elements)
    return f"({ctype}){{\n            {lines} }}"


def _arguments(name: str, plan: Plan, step: Step) -> Iterator[str]:
    view, tables, scratch = step.view, iter(step.tables), iter(step.scratch)

    def output(i: int) -> str:
        return _pointer(plan.offsets[i], view.graph.tensors[i].dtype, const=False)

    def source(i: int) -> str:
        if view.graph.tensors[view.graph.storage(i)].constant:
            return f"{name}_{next(tables).symbol}"
        tensor = view.graph.tensors[i]
        return _pointer(plan.offsets[i], tensor.dtype, const=not tensor.variable)

    for argument in step.call.arguments:
        if isinstance(argument, Scratch):
            yield _pointer(next(scratch), argument.dtype, const=False)
        elif isinstance(argument, Output):
            yield output(view.node.outputs[argument.index])
        elif isinstance(argument, Input):
            yield source(view.node.inputs[argument.index])
        elif isinstance(argument, Outputs):
            yield _array("void *const[]", map(output, view.node.outputs))
        elif isinstance(argument, Inputs):
            yield _array("const void *const[]", map(source, view.node.inputs))
        else:
            yield f"{name}_{next(tables).symbol}"


def _weights_view(facts: ModelFacts, plan: Plan) -> _WeightsView:
    return _WeightsView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        tables=tuple(_table_view(plan, table) for table in plan.tables),
    )


def _table_view(plan: Plan, table: Table) -> _TableView:
    users = [s for s in plan.steps if table in s.tables]
    names = ", ".join(f"{s.index} {s.view.node.operator}" for s in users)
    plural = "s" if len(users) > 1 else ""
    values = np.frombuffer(table.const.data, table.const.dtype.numpy)
    return _TableView(
        ctype=table.const.dtype.c,
        symbol=table.symbol,
        count=len(values),
        comment=f"{table.const.role.replace('_', ' ')} of operator{plural} {names}",
        values=c_numbers(values.tolist()),
    )
