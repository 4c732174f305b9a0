"""Plan: the kernels, lifetimes and arena of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tflm_ext.ir import Graph, NodeView
from tflm_ext.kernels import Const, Kernel, KernelCall, Scratch
from tflm_ext.kernels.base import work_by_elements
from tflm_ext.ops import BY_NAME
from tflm_ext.options import Optimize
from tflm_ext.plan.arena import Buffer, alive_bytes, arena_size, check_placement, place
from tflm_ext.plan.choice import Choice, KernelOption, choose
from tflm_ext.plan.lifetimes import buffers
from tflm_ext.plan.overlap import first_clash
from tflm_ext.plan.sizes import code_bytes, uses_of
from tflm_ext.plan.tables import Table, constants, content
from tflm_ext.targets import Core, default_board


@dataclass(frozen=True, slots=True)
class Step:
    """One operator with its kernel.

    Attributes:
        kernel: the chosen kernel.
        alternatives: all kernels that could run it, with estimated costs.
        tables: the tables of all Const arguments and constant inputs, in order.
        scratch: the offsets in the arena of all Scratch arguments, in order.
    """

    view: NodeView
    kernel: Kernel
    call: KernelCall
    alternatives: tuple[KernelOption, ...]
    tables: tuple[Table, ...]
    scratch: tuple[int, ...]

    @property
    def index(self) -> int:
        return self.view.node.index

    @property
    def option(self) -> KernelOption:
        """The chosen one of the alternatives."""
        return next(o for o in self.alternatives if o.kernel is self.kernel)

    @property
    def macs(self) -> int:
        return count_macs(self.view)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the tables that it reads, including those shared with other operators."""
        return sum(t.bytes for t in self.tables)


@dataclass(frozen=True)
class Plan:
    """Everything that the emitters need to know.

    Attributes:
        core: the core whose costs determined the choice of kernels.
        offsets: of all computed tensors in the arena, including aliases, by tensor number.
        tables: distinct constant tables, in the order of their first use.
        arena_bytes: size of the arena.
        live_bytes: the largest number of bytes of activations alive at the same time, without
            overlaps and scratch memory.
    """

    graph: Graph
    core: Core
    steps: tuple[Step, ...]
    offsets: Mapping[int, int]
    tables: tuple[Table, ...]
    arena_bytes: int
    live_bytes: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constant tables, exact."""
        return sum(t.bytes for t in self.tables)

    @property
    def code_bytes(self) -> int:
        """Estimated bytes of code, from the committed table of kernel sizes of the core."""
        return code_bytes(self.core, uses_of((s.kernel, s.call) for s in self.steps))

    @property
    def macs(self) -> int:
        return sum(s.macs for s in self.steps)


def count_macs(view: NodeView) -> int:
    """Return the multiply-accumulate operations of a node; 0 for unsupported operators."""
    operator = BY_NAME.get(view.node.operator)
    return operator.macs(view) if operator else 0


def make_plan(
    graph: Graph, optimize: Optimize = Optimize.BALANCED, core: Core | None = None
) -> Plan:
    """Choose kernels and place every tensor.

    Args:
        graph: checked, and rewritten by the passes.
        optimize: what to minimise.
        core: the core that runs the code; None for the default board's core.
    """
    core = core or default_board().core
    return plan_of(graph, choose(graph, optimize, core), core)


def plan_of(graph: Graph, choices: Sequence[Choice], core: Core) -> Plan:
    """Place every tensor, for kernels that have been chosen."""
    calls = [choice.option.call for choice in choices]
    tables: dict[Const, Table] = {}
    step_tables = [
        tuple(_table(tables, view.node.index, c) for c in constants(view, call))
        for view, call in zip(graph.views(), calls, strict=True)
    ]
    placed = buffers(graph, calls)
    offsets = place(placed)
    problem = check_placement(placed, offsets) or _check_overlaps(graph, calls, offsets)
    if problem is not None:
        raise AssertionError(f"arena: {problem}")  # a bug in tflm_ext
    steps = tuple(
        Step(
            view=view,
            kernel=choice.option.kernel,
            call=choice.option.call,
            alternatives=choice.alternatives,
            tables=step_tables[i],
            scratch=tuple(
                offsets["scratch", i, j]
                for j, a in enumerate(choice.option.call.arguments)
                if isinstance(a, Scratch)
            ),
        )
        for i, (view, choice) in enumerate(zip(graph.views(), choices, strict=True))
    )
    return Plan(
        graph=graph,
        core=core,
        steps=steps,
        offsets=MappingProxyType(
            {
                i: offsets["tensor", graph.storage(i)]
                for i in graph.tensors
                if ("tensor", graph.storage(i)) in offsets
            }
        ),
        tables=tuple(tables.values()),
        arena_bytes=arena_size(placed, offsets),
        live_bytes=_live_bytes(placed),
    )


def foreign_plan(graph: Graph, core: Core) -> Plan:
    """Plan a graph that an interpreter runs: operators, constants and lifetimes, no placement."""
    nothing = KernelCall((), ())
    kernel = Kernel("tflm", "", lambda view: nothing, work_by_elements)
    tables: dict[int, Table] = {}
    steps = []
    for view in graph.views():
        constants = [t for t in view.inputs if t.data is not None]
        for t in constants:
            constant = Const("constant", t.dtype, t.data or b"", "")
            tables.setdefault(t.index, Table(f"tensor{t.index}", constant))
        own = tuple(tables[t.index] for t in constants)
        steps.append(Step(view, kernel, nothing, (), own, ()))
    return Plan(
        graph=graph,
        core=core,
        steps=tuple(steps),
        offsets=MappingProxyType({}),
        tables=tuple(tables.values()),
        arena_bytes=0,
        live_bytes=_live_bytes(buffers(graph, [nothing] * len(graph.nodes))),
    )


def _table(tables: dict[Const, Table], index: int, const: Const) -> Table:
    key = content(const)
    if key not in tables:
        tables[key] = Table(f"op{index:02d}_{const.role}", const)
    return tables[key]


def _check_overlaps(
    graph: Graph, calls: list[KernelCall], offsets: Mapping[object, int]
) -> str | None:
    """Describe the first operator that reads a byte after overwriting it; None if there is none."""
    for node, call in zip(graph.nodes, calls, strict=True):
        for times in call.times:
            source = offsets.get(("tensor", graph.storage(node.inputs[times.input])))
            target = offsets["tensor", node.outputs[0]]
            byte = None if source is None else first_clash(times, target - source)
            if byte is not None:
                label = graph.view(node).label
                return f"{label} reads byte {byte} of its input after overwriting it"
    return None


def _live_bytes(placed: list[Buffer]) -> int:
    tensors = [b for b in placed if isinstance(b.key, tuple) and b.key[0] == "tensor"]
    return max(alive_bytes(tensors, lambda b: b.bytes), default=0)
