"""Chooses kernels for all operators of a model together, because operators share kernel code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TypeAlias

from tflm_ext.ir import Graph, NodeView
from tflm_ext.kernels import Const, Kernel, KernelCall, kernels_for
from tflm_ext.options import Optimize
from tflm_ext.plan.arena import Buffer, alive_pairs, arena_size, place
from tflm_ext.plan.costs import estimated, limit_estimated
from tflm_ext.plan.lifetimes import Lifetimes, buffers
from tflm_ext.plan.sizes import Uses, code_bytes, kernel_bytes, uses_of
from tflm_ext.plan.tables import constants, content
from tflm_ext.targets import Core

_ROUNDS = 2  # over all kinds of operators; a third round has never improved a result
_TRIES = 40  # limit of the search for placements that are only compared
_PLACED = 200  # larger graphs, in operators, are not placed for each promising choice,
_PLACED_PAIRS = 50_000  # nor are graphs with more pairs of buffers that are alive at once


@dataclass(frozen=True, slots=True, eq=False)
class KernelOption:
    """One way to run an operator.

    Attributes:
        instructions, cycles: estimates.
        tables: constant tables that it reads.
        code_bytes: of the kernel, if no other operator used it.
    """

    kernel: Kernel
    call: KernelCall
    instructions: int
    cycles: int
    tables: tuple[Const, ...]
    code_bytes: int

    @classmethod
    def of(cls, core: Core, kernel: Kernel, view: NodeView, alone: bool) -> KernelOption:
        """Lower a node to a kernel, and estimate its costs; `alone` as for estimated()."""
        call = kernel.lower(view)
        tables = {content(const): None for const in constants(view, call)}
        instructions, cycles = estimated(core, kernel, view, alone)
        if call.limits is not None:
            more, longer = limit_estimated(core, call.limits, view)
            instructions, cycles = instructions + more, cycles + longer
        size = kernel_bytes(core, kernel.name)
        return cls(kernel, call, instructions, cycles, tuple(tables), size)

    @property
    def weight_bytes(self) -> int:
        return sum(len(const.data) for const in self.tables)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The kernel chosen for an operator, and the alternatives."""

    option: KernelOption
    alternatives: tuple[KernelOption, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Costs of a whole model."""

    cycles: int
    flash_bytes: int
    ram_bytes: int


def choose(graph: Graph, optimize: Optimize, core: Core) -> tuple[Choice, ...]:
    """Choose a kernel for each operator of a graph.

    "speed" takes the fewest cycles for each operator. "balanced" minimises the sum of cycles, flash
    and RAM, each relative to "speed". "size" minimises flash plus RAM in bytes, with no more flash
    than "balanced". Equal graphs always give equal choices.
    """
    views = tuple(graph.views())
    kernels = [kernels_for(view) for view in views]
    alone = _alone(core, views, kernels)
    options = tuple(
        tuple(KernelOption.of(core, kernel, view, kernel.name in alone) for kernel in own)
        for view, own in zip(views, kernels, strict=True)
    )
    fastest = tuple(min(own, key=lambda o: (o.cycles, o.weight_bytes)) for own in options)
    if optimize is Optimize.SPEED or all(len(own) == 1 for own in options):
        chosen = fastest
    else:
        search = _Search(graph, options, core)
        parts = search.balanced(fastest)
        if optimize is Optimize.SIZE:
            parts = search.smallest(parts)
        chosen = search.in_order(parts)
    return tuple(Choice(*pair) for pair in zip(chosen, options, strict=True))


def _alone(core: Core, views: Sequence[NodeView], kernels: Sequence[Sequence[Kernel]]) -> set[str]:
    """Return the kernels that are expected to run one operator only.

    These are the fastest kernel, or the only one, for exactly one operator.
    """
    able = Counter(kernel.name for own in kernels for kernel in own)
    fastest = Counter(
        min(own, key=lambda kernel: estimated(core, kernel, view, alone=False)[1]).name
        for view, own in zip(views, kernels, strict=True)
    )
    return {name for name, count in able.items() if fastest.get(name, count) == 1}


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Operators of one kind, each with the best of the permitted kernels.

    Attributes:
        tables: numbers of the constant tables.
        ram_bytes: of the operator that needs most.
    """

    picks: tuple[KernelOption, ...]
    cycles: int
    tables: frozenset[int]
    uses: Mapping[str, Uses]
    ram_bytes: int


Parts: TypeAlias = dict[str, _Part]
Objective: TypeAlias = Callable[[Totals], tuple[float, ...]]
Score: TypeAlias = Callable[[KernelOption], tuple[float, ...]]


class _Search:
    """Coordinate descent: tries every set of kernels, for one kind of operator after another.

    A kind has few kernels. Each of its operators takes the best kernel of the set.
    """

    def __init__(self, graph: Graph, options: Sequence[Sequence[KernelOption]], core: Core) -> None:
        self._graph = graph
        self._core = core
        self._options = options
        self._arenas: dict[tuple[Buffer, ...], int] = {}
        self._kinds: dict[str, list[int]] = {}
        for i, node in enumerate(graph.nodes):
            self._kinds.setdefault(node.operator, []).append(i)
        self._numbers: dict[Const, int] = {}
        for option in chain.from_iterable(options):
            for table in option.tables:
                self._numbers.setdefault(table, len(self._numbers))
        self._table_bytes = [len(table.data) for table in self._numbers]
        lifetimes = Lifetimes(graph)
        self._ram = {
            option: lifetimes.bytes_at(i, option.call)
            for i, own in enumerate(options)
            for option in own
        }

    def balanced(self, fastest: Sequence[KernelOption]) -> Parts:
        """Minimise the sum of cycles, flash and RAM, each relative to the fastest kernels."""
        parts = {
            kind: self._part([fastest[i] for i in indices]) for kind, indices in self._kinds.items()
        }
        base = self._totals(parts, self._arena(parts))
        cycles, flash, ram = (max(n, 1) for n in (base.cycles, base.flash_bytes, base.ram_bytes))

        def objective(totals: Totals) -> tuple[float, ...]:
            shares = totals.cycles / cycles + totals.flash_bytes / flash + totals.ram_bytes / ram
            return shares, totals.cycles

        def score(option: KernelOption) -> tuple[float, ...]:
            return option.cycles / cycles + option.weight_bytes / flash, self._ram[option]

        return self._descend(score, objective, ())

    def smallest(self, balanced: Parts) -> Parts:
        """Minimise the bytes of flash plus RAM, with no more flash than `balanced`."""
        limit = self._totals(balanced, 0).flash_bytes

        def objective(totals: Totals) -> tuple[float, ...]:
            beyond = max(totals.flash_bytes - limit, 0)
            return beyond, totals.flash_bytes + totals.ram_bytes, totals.cycles

        def score(option: KernelOption) -> tuple[float, ...]:
            return option.weight_bytes, self._ram[option], option.cycles

        return self._descend(score, objective, (balanced,))

    def in_order(self, parts: Parts) -> tuple[KernelOption, ...]:
        """Return one option for each operator, in execution order."""
        found = {
            i: option
            for kind, indices in self._kinds.items()
            for i, option in zip(indices, parts[kind].picks, strict=True)
        }
        return tuple(found[i] for i in range(len(found)))

    def _descend(self, score: Score, objective: Objective, known: Sequence[Parts]) -> Parts:
        """Return the best choice found; it is at least as good as the known ones."""
        tried = {kind: self._parts(indices, score) for kind, indices in self._kinds.items()}
        found = list(known)
        for start in (0, -1):  # starting from few kernels, and from all of them
            parts = {kind: own[start] for kind, own in tried.items()}
            for _ in range(_ROUNDS):
                for kind, own in tried.items():
                    if len(own) > 1:
                        parts = self._best([{**parts, kind: part} for part in own], objective)
            found.append(parts)
        return self._best(found, objective)

    def _best(self, choices: Sequence[Parts], objective: Objective) -> Parts:
        """Return the best choice; place tensors only if a perfect placement could make it win."""
        bounds = [objective(self._totals(parts, self._least_ram(parts))) for parts in choices]
        best: tuple[tuple[float, ...], int] | None = None
        for i in sorted(range(len(choices)), key=lambda i: (bounds[i], i)):
            if best is None or bounds[i] < best[0]:
                found = objective(self._totals(choices[i], self._arena(choices[i])))
                best = min(best or (found, i), (found, i))
        assert best is not None  # there are choices
        return choices[best[1]]

    def _parts(self, indices: Sequence[int], score: Score) -> list[_Part]:
        """Return a part for every set of kernels that can run all operators of one kind."""
        rows = [sorted(self._options[i], key=score) for i in indices]  # stable: order matters
        names = sorted({option.kernel.name for row in rows for option in row})
        found = []
        for count in range(1, len(names) + 1):
            for allowed in combinations(names, count):
                picks = [next((o for o in row if o.kernel.name in allowed), None) for row in rows]
                complete = [option for option in picks if option is not None]
                if len(complete) == len(picks):
                    found.append(self._part(complete))
        return found

    def _part(self, picks: Sequence[KernelOption]) -> _Part:
        return _Part(
            picks=tuple(picks),
            cycles=sum(option.cycles for option in picks),
            tables=frozenset(self._numbers[t] for option in picks for t in option.tables),
            uses=uses_of((option.kernel, option.call) for option in picks),
            ram_bytes=max(self._ram[option] for option in picks),
        )

    def _totals(self, parts: Parts, ram_bytes: int) -> Totals:
        tables = frozenset[int]().union(*(part.tables for part in parts.values()))
        uses: dict[str, Uses] = {}
        for part in parts.values():
            uses |= {k: uses[k] + own if k in uses else own for k, own in part.uses.items()}
        return Totals(
            cycles=sum(part.cycles for part in parts.values()),
            flash_bytes=sum(self._table_bytes[i] for i in tables) + code_bytes(self._core, uses),
            ram_bytes=ram_bytes,
        )

    def _least_ram(self, parts: Parts) -> int:
        """Return a lower bound of the RAM."""
        return max(part.ram_bytes for part in parts.values())

    def _arena(self, parts: Parts) -> int:
        """Return the bytes of the arena; for large graphs, a lower bound, which is faster."""
        if len(self._options) > _PLACED:
            return self._least_ram(parts)
        placed = tuple(buffers(self._graph, [o.call for o in self.in_order(parts)]))
        if alive_pairs(placed) > _PLACED_PAIRS:
            return self._least_ram(parts)
        if placed not in self._arenas:
            self._arenas[placed] = arena_size(placed, place(placed, _TRIES))
        return self._arenas[placed]
