"""Checks that a plan fits the user's budget and the board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tflm_ext.errors import BudgetError
from tflm_ext.ir import Tensor
from tflm_ext.ir.names import keras_layer
from tflm_ext.options import Budget
from tflm_ext.plan.footprint import Footprint
from tflm_ext.plan.plan import Plan, Step
from tflm_ext.plan.tables import Table
from tflm_ext.targets import Board

_LARGEST = 5  # rows in an error


@dataclass(frozen=True, slots=True)
class _Limit:
    """One figure of a model, and its limit.

    Attributes:
        memory: the kind of memory, for messages; None for a count of operations.
        owner: where the limit comes from, as in "the budget allows".
        way_out: what else helps, for the hint.
        argument: the argument of Budget, for the hint.
        largest: lists what contributes to the figure, with sizes.
    """

    memory: str | None
    needs: int
    has: int | None
    owner: str
    way_out: str
    argument: str
    largest: Callable[[Plan], Iterable[tuple[str, int]]]

    @property
    def unit(self) -> str:
        return f"bytes of {self.memory}" if self.memory else "multiply-accumulates"

    @property
    def hint(self) -> str:
        smaller = f"compress(model, ..., budget=Budget({self.argument}={self.has:_}))"
        return f"Make the model smaller, for example with {smaller}{self.way_out}."


def check_budget(plan: Plan, footprint: Footprint, budget: Budget, board: Board) -> None:
    """Compare what a model needs with the budget, then with the board.

    Args:
        plan: names the largest tensors and operators.
        footprint: what the model needs; code of unknown size counts as 0 bytes.

    Raises:
        BudgetError: for the first limit that is exceeded, with the excess and the largest
            tensors or operators.
    """
    weights, ram = footprint.weight_bytes, footprint.context_bytes
    flash = weights + (footprint.code_bytes or 0)
    users = ("the budget allows", ", or raise the limit")
    boards = (
        f"the {board.title} leaves a program",
        ", or pass board=None (--board none) for this computer and the emulated core alone",
    )
    if board.emulated_only:
        boards = (f"the {board.title} has", "")
    limits = (
        _Limit("weights", weights, budget.weight_bytes, *users, "weight_bytes", _weights),
        _Limit("flash", flash, budget.flash_bytes, *users, "flash_bytes", _weights),
        _Limit("RAM", ram, budget.ram_bytes, *users, "ram_bytes", _activations),
        _Limit(None, plan.macs, budget.macs, *users, "macs", _macs),
        _Limit("flash", flash, board.usable_flash_bytes, *boards, "flash_bytes", _weights),
        _Limit("RAM", ram, board.usable_ram_bytes, *boards, "ram_bytes", _activations),
    )
    for limit in limits:
        if limit.has is not None and limit.needs > limit.has:
            largest = tuple(sorted(limit.largest(plan), key=lambda row: -row[1])[:_LARGEST])
            rows = ", ".join(f"{name} ({size:,})" for name, size in largest)
            unit = " in bytes" if limit.memory else ""
            raise BudgetError(
                f"{plan.graph.name} needs {limit.needs:,} {limit.unit}; {limit.owner} "
                f"{limit.has:,} ({limit.needs - limit.has:,} over)."
                + (f" Largest{unit}: {rows}." if rows else ""),
                limit.hint,
                needs=limit.needs,
                has=limit.has,
                largest=largest,
            )


def _weights(plan: Plan) -> Iterable[tuple[str, int]]:
    return ((_table_name(plan, table), table.bytes) for table in plan.tables)


def _table_name(plan: Plan, table: Table) -> str:
    """Return "weights of layer conv2d_1"; a shared table is named after its first operator."""
    user = next(step for step in plan.steps if table in step.tables)
    return f"{table.const.role.replace('_', ' ')} of {_operator_name(user)}"


def _operator_name(step: Step) -> str:
    layer = step.view.keras_layer
    return f"layer {layer}" if layer else step.view.label


def _activations(plan: Plan) -> Iterable[tuple[str, int]]:
    graph = plan.graph
    used = {i for node in graph.nodes for i in (*node.inputs, *node.outputs) if i >= 0}
    tensors = (graph.tensors[i] for i in sorted({*graph.inputs, *used}))
    return ((_tensor_name(plan, t), t.bytes) for t in tensors if t.alias is None and not t.constant)


def _tensor_name(plan: Plan, tensor: Tensor) -> str:
    """Return "output of layer conv2d_1", or "input 0" for an input of the model."""
    if tensor.index in plan.graph.inputs:
        return f"input {plan.graph.inputs.index(tensor.index)}"
    for step in plan.steps:
        if tensor.index in step.view.node.outputs:
            layer = keras_layer(tensor.name)
            return f"output of {f'layer {layer}' if layer else step.view.label}"
    user = next(step for step in plan.steps if tensor.index in step.view.node.inputs)
    return f"state of {_operator_name(user)}"


def _macs(plan: Plan) -> Iterable[tuple[str, int]]:
    return ((_operator_name(step), step.macs) for step in plan.steps)
