"""Kernel choice, lifetimes and the arena of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tflm_ext.ir import Graph, NodeView
from tflm_ext.ops import BY_NAME, LIMIT, Call, Const, Input, Inputs, Kernel, Scratch
from tflm_ext.options import Optimize
from tflm_ext.plan.arena import Buffer, Overlay, arena_size, check_placement, place
from tflm_ext.plan.overlap import first_clash, lead
from tflm_ext.plan.sizes import code_bytes


@dataclass(frozen=True, slots=True)
class Table:
    """A const table of the model, stored once however many operators use it.

    Attributes:
        symbol: C name without the model's prefix: "op03_weights".
    """

    symbol: str
    const: Const

    @property
    def bytes(self) -> int:
        return len(self.const.data)


@dataclass(frozen=True, slots=True)
class Step:
    """One operator as it will run.

    Attributes:
        kernel: the choice.
        alternatives: every kernel that could run it, with its estimated instructions.
        tables: for each Const argument and constant input, in order, the table that holds it.
        scratch: for each Scratch argument, in order, its offset in the arena.
    """

    view: NodeView
    kernel: Kernel
    call: Call
    alternatives: tuple[tuple[str, int], ...]
    tables: tuple[Table, ...]
    scratch: tuple[int, ...]

    @property
    def index(self) -> int:
        return self.view.node.index

    @property
    def macs(self) -> int:
        return count_macs(self.view)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the tables it reads, those shared with other operators included."""
        return sum(t.bytes for t in self.tables)


@dataclass(frozen=True)
class Plan:
    """Everything that the emitters need to know.

    Attributes:
        offsets: of every computed tensor in the arena, by tensor number, aliases included.
        tables: distinct const tables, in the order of their first use.
        arena_bytes: size of the arena.
        live_bytes: the most activation bytes alive at one operator, nothing in place, no scratch.
    """

    graph: Graph
    steps: tuple[Step, ...]
    offsets: Mapping[int, int]
    tables: tuple[Table, ...]
    arena_bytes: int
    live_bytes: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of const tables, exact."""
        return sum(t.bytes for t in self.tables)

    @property
    def code_bytes(self) -> int:
        """Estimated bytes of code for a Cortex-M4, from the committed table of kernel sizes."""
        limited = {LIMIT for s in self.steps if s.call.limits}
        names = limited | {s.kernel.name for s in self.steps}
        return code_bytes(sorted(names), len(self.steps))

    @property
    def macs(self) -> int:
        return sum(s.macs for s in self.steps)


def count_macs(view: NodeView) -> int:
    """Multiply-accumulate operations of a node; 0 for operators outside the table."""
    operator = BY_NAME.get(view.node.operator)
    return operator.macs(view) if operator else 0


def make_plan(graph: Graph, optimize: Optimize = Optimize.BALANCED) -> Plan:
    """Choose kernels and place every tensor.

    Args:
        graph: checked and rewritten by the passes.
        optimize: what to favour; the cost of a kernel is its estimated instructions.
    """
    choices = [_choose(view, optimize) for view in graph.views()]
    tables: dict[Const, Table] = {}
    step_tables = [
        tuple(_table(tables, view.node.index, c) for c in constants(view, call))
        for view, (_, call, _) in zip(graph.views(), choices, strict=True)
    ]
    buffers = _buffers(graph, [call for _, call, _ in choices])
    offsets = place(buffers)
    problem = check_placement(buffers, offsets) or _check_overlaps(
        graph, [call for _, call, _ in choices], offsets
    )
    if problem is not None:
        raise AssertionError(f"arena: {problem}")  # a bug of ours
    steps = tuple(
        Step(
            view=view,
            kernel=kernel,
            call=call,
            alternatives=alternatives,
            tables=step_tables[i],
            scratch=tuple(
                offsets["scratch", i, j]
                for j, a in enumerate(call.arguments)
                if isinstance(a, Scratch)
            ),
        )
        for i, (view, (kernel, call, alternatives)) in enumerate(
            zip(graph.views(), choices, strict=True)
        )
    )
    return Plan(
        graph=graph,
        steps=steps,
        offsets=MappingProxyType(
            {
                i: offsets["tensor", graph.storage(i)]
                for i in graph.tensors
                if ("tensor", graph.storage(i)) in offsets
            }
        ),
        tables=tuple(tables.values()),
        arena_bytes=arena_size(buffers, offsets),
        live_bytes=_live_bytes(buffers),
    )


def foreign_plan(graph: Graph) -> Plan:
    """Of a graph that TensorFlow Lite Micro's interpreter runs: its operators, and lifetimes."""
    nothing = Call((), ())
    kernel = Kernel("tflm", "", lambda view: nothing, lambda view: 0)
    return Plan(
        graph=graph,
        steps=tuple(Step(view, kernel, nothing, (), (), ()) for view in graph.views()),
        offsets=MappingProxyType({}),
        tables=(),
        arena_bytes=0,
        live_bytes=_live_bytes(_buffers(graph, [nothing] * len(graph.nodes))),
    )


def _choose(view: NodeView, optimize: Optimize) -> tuple[Kernel, Call, tuple[tuple[str, int], ...]]:
    kernels = [k for k in BY_NAME[view.node.operator].kernels if k.applies(view)]
    costs = tuple((k.name, k.cost(view)) for k in kernels)
    if optimize is Optimize.SIZE:
        best = min(kernels, key=lambda k: code_bytes([k.name], 0))
    else:
        best = min(kernels, key=lambda k: k.cost(view))
    return best, best.lower(view), costs


def constants(view: NodeView, call: Call) -> tuple[Const, ...]:
    """The const tables of a call, constant inputs included, in the order of its arguments."""
    found = []
    for argument in call.arguments:
        indices: Iterable[int] = ()
        if isinstance(argument, Const):
            found.append(argument)
        elif isinstance(argument, Input):
            indices = (argument.index,)
        elif isinstance(argument, Inputs):
            indices = range(view.input_count)
        for i in indices:
            root = view.graph.tensors[view.graph.storage(view.node.inputs[i])]
            if root.data is not None:
                found.append(Const(f"input{i}", root.dtype, root.data))
    return tuple(found)


def _table(tables: dict[Const, Table], index: int, const: Const) -> Table:
    # Equal bytes are stored once, whatever role they play for their first user.
    key = Const("", const.dtype, const.data)
    if key not in tables:
        tables[key] = Table(f"op{index:02d}_{const.role}", const)
    return tables[key]


def _buffers(graph: Graph, calls: list[Call]) -> list[Buffer]:
    end = len(graph.nodes)
    first: dict[int, int] = {graph.storage(i): -1 for i in graph.inputs}
    last: dict[int, int] = {}
    overlays: dict[int, list[Overlay]] = {}
    for i, (node, call) in enumerate(zip(graph.nodes, calls, strict=True)):
        for tensor in node.inputs:
            if tensor >= 0:
                last[graph.storage(tensor)] = i
        for tensor in node.outputs:
            first[tensor] = i
        for times in call.times:
            if times.anywhere or first_clash(times, 0) is None:
                root = graph.storage(node.inputs[times.input])
                overlay = Overlay(("tensor", root), lead(times) if times.anywhere else None)
                overlays.setdefault(node.outputs[0], []).append(overlay)
    for i in (i for i, t in graph.tensors.items() if t.variable):
        first[i], last[i] = -1, end
    for i in graph.outputs:
        last[graph.storage(i)] = end
    buffers = [
        Buffer(
            ("tensor", i),
            graph.tensors[i].bytes,
            step,
            max(last.get(i, step), step),
            tuple(overlays.get(i, ())),
        )
        for i, step in first.items()
        if not graph.tensors[i].constant
    ]
    for i, call in enumerate(calls):
        buffers.extend(
            Buffer(("scratch", i, j), a.bytes, i, i)
            for j, a in enumerate(call.arguments)
            if isinstance(a, Scratch)
        )
    return buffers


def _check_overlaps(graph: Graph, calls: list[Call], offsets: Mapping[object, int]) -> str | None:
    """The first operator that reads what it has overwritten, None if there is none."""
    for node, call in zip(graph.nodes, calls, strict=True):
        for times in call.times:
            source = offsets.get(("tensor", graph.storage(node.inputs[times.input])))
            target = offsets["tensor", node.outputs[0]]
            byte = None if source is None else first_clash(times, target - source)
            if byte is not None:
                return f"operator {node.index} reads byte {byte} of its input after writing there"
    return None


def _live_bytes(buffers: list[Buffer]) -> int:
    tensors = [b for b in buffers if isinstance(b.key, tuple) and b.key[0] == "tensor"]
    steps = range(-1, max((b.last for b in tensors), default=-1) + 1)
    return max((sum(b.bytes for b in tensors if b.first <= s <= b.last) for s in steps), default=0)
