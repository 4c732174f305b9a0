"""The work of the rewrites and the planner, step by step, as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from tflm_ext.document import Bytes, Count, Shape, declared, entry
from tflm_ext.emit.escape import plain, printable
from tflm_ext.errors import ConfigError
from tflm_ext.ir import Graph, Tensor
from tflm_ext.passes import Change, PassResult, PassStep
from tflm_ext.passes.changes import shape_of, short_name
from tflm_ext.plan import Plan
from tflm_ext.plan.placements import Placement, placements

if TYPE_CHECKING:
    from tflm_ext.report.report import Report

_SHOWN_CHANNELS = 16


class GraphState(NamedTuple):
    """A graph after a rewrite."""

    name: str
    changes: tuple[Change, ...]
    graph: Graph


@dataclass(frozen=True)
class Detail:
    """The graph of a model as it was read, and all rewrites that changed it."""

    graph: Graph
    steps: tuple[PassStep, ...]

    def states(self) -> tuple[GraphState, ...]:
        """The graph as it was read, with the name "read", then after each rewrite."""
        steps = (GraphState(step.name, step.changes(), step.after) for step in self.steps)
        return (GraphState("read", (), self.graph), *steps)


@declared("change")
@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePart:
    """A change that a rewrite made to an operator or a tensor, written from a Change."""

    kind: Literal["operator", "tensor"] = entry()
    number: Count = entry("Number in the .tflite.")
    name: str = entry("Name of the operator or the tensor; untrusted text.")
    change: Literal["removed", "changed"] = entry(of=lambda change: change.what)
    reason: str = entry("Why, or how; may contain untrusted text.")
    channels: tuple[Count, ...] = entry("Channels that were removed from a tensor.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOperatorPart:
    """An operator of a graph, written from a Node."""

    index: Count = entry("Number in the .tflite.")
    operator: str = entry()
    inputs: tuple[int, ...] = entry("Tensor numbers; -1 for an optional input that is absent.")
    outputs: tuple[Count, ...] = entry("Tensor numbers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphTensorPart:
    """A tensor of a graph, written from a Tensor."""

    tensor: Count = entry(
        "Number in the .tflite; tensors added by rewrites have larger numbers.",
        of=lambda tensor: tensor.index,
    )
    name: str = entry("Untrusted text.")
    shape: Shape = entry()
    size_bytes: Bytes = entry(of=lambda tensor: tensor.bytes)
    constant: bool = entry()
    alias_of: Count | None = entry(
        "Tensor whose bytes it shares, in a different shape; null if it has its own.",
        of=lambda tensor: tensor.alias,
    )


@declared("graph")
@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPart:
    """A graph after a rewrite, written from a GraphState."""

    name: str = entry('Name of the rewrite; "read" for the graph as it was read.')
    changes: tuple[ChangePart, ...] = entry("What the rewrite changed, and why.")
    operators: tuple[GraphOperatorPart, ...] = entry(
        "In execution order.", of=lambda state: state.graph.nodes
    )
    tensors: tuple[GraphTensorPart, ...] = entry(
        "By number, including constants.",
        of=lambda state: tuple(tensor for _, tensor in sorted(state.graph.tensors.items())),
    )


@declared("placement")
@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPart:
    """A range of the arena and its contents for some steps, written from (name, Placement)."""

    offset_bytes: Bytes = entry("Offset in the arena.", of=lambda pair: pair[1].offset)
    size_bytes: Bytes = entry(of=lambda pair: pair[1].bytes)
    tensor: Count | None = entry("Null for scratch memory.", of=lambda pair: pair[1].tensor)
    name: str | None = entry("Name of the tensor; untrusted text.", of=lambda pair: pair[0])
    aliases: tuple[Count, ...] = entry(
        "Tensors with the same bytes in different shapes.", of=lambda pair: pair[1].aliases
    )
    first_operator: Count | None = entry(
        "Operator that writes it; null if it exists before the first operator runs.",
        of=lambda pair: pair[1].first,
    )
    last_operator: Count | None = entry(
        "Last operator that reads it; null if it is kept until the end.",
        of=lambda pair: pair[1].last,
    )
    operator: Count | None = entry(
        "Operator that writes it or uses it as scratch memory; null if there is none.",
        of=lambda pair: None if pair[1].step is None else pair[1].step.index,
    )
    kernel: str | None = entry(
        "Kernel of that operator.",
        of=lambda pair: None if pair[1].step is None else pair[1].step.kernel.name,
    )


def named_placements(plan: Plan) -> tuple[tuple[str | None, Placement], ...]:
    """Return the contents of the arena, with the names of tensors."""
    names = {i: tensor.name for i, tensor in plan.graph.tensors.items()}
    return tuple((None if p.tensor is None else names[p.tensor], p) for p in placements(plan))


def with_detail(report: Report, graph: Graph, passes: PassResult) -> Report:
    """Add the details of a model's rewrites to its report.

    Args:
        graph: the graph as it was read.
        passes: the changes that the rewrites made.

    Raises:
        ConfigError: the runtime does not rewrite the model.
    """
    if not report.plan.offsets:
        raise ConfigError(
            f"The runtime {report.runtime} does not rewrite or plan the model: there are no "
            "details to show.",
            "Inspect the .tflite with --runtime compiled.",
        )
    return replace(report, detail=Detail(graph, passes.steps))


def detail_lines(detail: Detail, plan: Plan) -> Iterator[str]:
    """Return the details as text: graphs, changes, and the arena."""
    yield f"as read: {_summary(detail.graph)}"
    yield from _graph_lines(detail.graph, set())
    for step in detail.steps:
        yield ""
        yield f"{step.name}: {_summary(step.after)}"
        changes = step.changes()
        for change in changes:
            sign = {"removed": "-", "changed": "*"}[change.what]
            what = f"{printable(change.reason)}{_channels(change)}"
            yield f"  {sign} {_subject(change, step.before)}: {what}"
        if step.before.nodes != step.after.nodes:
            new = {c.number for c in changes if (c.kind, c.what) == ("operator", "changed")}
            yield from _graph_lines(step.after, new)
    yield ""
    yield f"plan: {plan.arena_bytes:,} bytes of arena"
    yield "   offset    bytes  operators   content"
    for placement in placements(plan):
        yield _placement_line(placement, plan.graph)


def _summary(graph: Graph) -> str:
    computed = {i for node in graph.nodes for i in node.outputs}
    constants = sum(tensor.bytes for tensor in graph.tensors.values() if tensor.constant)
    return (
        f"{_count(len(graph.nodes), 'operator')}, {_count(len(computed), 'computed tensor')}, "
        f"{constants:,} bytes of constants"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _graph_lines(graph: Graph, marked: set[int]) -> Iterator[str]:
    """Return one line per operator; marked operators have a star."""
    for node in graph.nodes:
        star = "*" if node.index in marked else " "
        read = (graph.tensors[i] for i in node.inputs if i >= 0)
        inputs = ", ".join(_tensor(t) for t in read if not t.constant) or "constants"
        outputs = ", ".join(_tensor(graph.tensors[i]) for i in node.outputs)
        yield f"  {star}{node.index:>4} {node.operator:<18} {inputs} -> {outputs}"


def _subject(change: Change, graph: Graph) -> str:
    if change.kind == "operator":
        return f"operator {change.number} {change.name} {change.what}"
    return f"tensor {change.number} {plain(short_name(graph.tensors[change.number]))} {change.what}"


def _channels(change: Change) -> str:
    if not change.channels:
        return ""
    shown = ", ".join(map(str, change.channels[:_SHOWN_CHANNELS]))
    more = len(change.channels) - _SHOWN_CHANNELS
    return f": {shown}{f' and {more} more' if more > 0 else ''}"


def _tensor(tensor: Tensor) -> str:
    return f"{tensor.index} {plain(short_name(tensor))} {shape_of(tensor)}"


def _placement_line(placement: Placement, graph: Graph) -> str:
    step = placement.step
    first = "start" if placement.first is None else str(placement.first)
    last = "end" if placement.last is None else str(placement.last)
    lifetime = f"{first}..{last}"
    by = "" if step is None else f"operator {step.index}, kernel {step.kernel.name}"
    if placement.tensor is None:
        what = f"scratch of {by}"
    else:
        also = "".join(f", also {_tensor(graph.tensors[i])}" for i in placement.aliases)
        what = f"tensor {_tensor(graph.tensors[placement.tensor])}{also}"
        what += f", written by {by}" if by else ""
    return f"  {placement.offset:>7,} {placement.bytes:>8,}  {lifetime:<10}  {what}"
