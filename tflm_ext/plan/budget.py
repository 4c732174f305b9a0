"""Does a plan fit the user's budget and the board?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tflm_ext.errors import BudgetError
from tflm_ext.ir.names import keras_layer
from tflm_ext.options import Budget
from tflm_ext.plan.footprint import Footprint
from tflm_ext.plan.plan import Plan
from tflm_ext.targets import Board

_LARGEST = 5


@dataclass(frozen=True, slots=True)
class _Limit:
    what: str
    unit: str
    needs: int
    has: int | None
    largest: Callable[[Plan], Iterable[tuple[str, int]]]
    hint: str


def check_budget(plan: Plan, footprint: Footprint, budget: Budget, board: Board) -> None:
    """Compare what a model needs with the budget, then with the board.

    Args:
        plan: names what is large.
        footprint: what the model needs; code of unknown size counts as none.

    Raises:
        BudgetError: the first limit that is exceeded: by how much, and the largest tensors.
    """
    weight_bytes, context_bytes = footprint.weight_bytes, footprint.context_bytes
    flash = weight_bytes + (footprint.code_bytes or 0)
    smaller = "Make the model smaller (fewer channels or layers), or raise the limit."
    limits = (
        _Limit("weight_bytes", "bytes", weight_bytes, budget.weight_bytes, _weights, smaller),
        _Limit("flash_bytes", "bytes", flash, budget.flash_bytes, _weights, smaller),
        _Limit("ram_bytes", "bytes", context_bytes, budget.ram_bytes, _activations, smaller),
        _Limit("macs", "operations", plan.macs, budget.macs, _macs, smaller),
        _Limit("flash", "bytes", flash, board.usable_flash_bytes, _weights, _hint(board)),
        _Limit("RAM", "bytes", context_bytes, board.usable_ram_bytes, _activations, _hint(board)),
    )
    for limit in limits:
        if limit.has is not None and limit.needs > limit.has:
            largest = tuple(sorted(limit.largest(plan), key=lambda row: -row[1])[:_LARGEST])
            rows = ", ".join(f"{name} {size:,}" for name, size in largest)
            raise BudgetError(
                f"{plan.graph.name} needs {limit.needs:,} {limit.unit} of {limit.what}, there are "
                f"{limit.has:,}: {limit.needs - limit.has:,} too many. Largest: {rows}.",
                limit.hint,
                needs=limit.needs,
                has=limit.has,
                largest=largest,
            )


def _hint(board: Board) -> str:
    return f"Make the model smaller; the {board.title} leaves no more to a program."


def _weights(plan: Plan) -> Iterable[tuple[str, int]]:
    return ((table.symbol, table.bytes) for table in plan.tables)


def _activations(plan: Plan) -> Iterable[tuple[str, int]]:
    graph = plan.graph
    used = {i for node in graph.nodes for i in (*node.inputs, *node.outputs) if i >= 0}
    tensors = (graph.tensors[i] for i in sorted({*graph.inputs, *used}))
    return (
        (keras_layer(t.name) or f"tensor {t.index}", t.bytes)
        for t in tensors
        if t.alias is None and not t.constant
    )


def _macs(plan: Plan) -> Iterable[tuple[str, int]]:
    return ((step.view.label, step.macs) for step in plan.steps)
