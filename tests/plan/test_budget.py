"""Limits of a budget and of a board: kept to the last byte, and what is said where one is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import models
from tflm_ext.errors import BudgetError
from tflm_ext.frontend import read_graph
from tflm_ext.options import Budget
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.plan.budget import check_budget
from tflm_ext.plan.footprint import Footprint
from tflm_ext.targets import Board, board

WEIGHTS, CODE, CONTEXT = 3000, 500, 700
NANO = board("nano33ble_sense")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(run_passes(read_graph(models.image_net(), "net")).graph)


def board_with(**usable: int) -> Board:
    """A board that leaves this many bytes of flash or RAM to a program."""
    reserved = {"flash": NANO.reserved_flash_bytes, "ram": NANO.reserved_ram_bytes}
    return replace(NANO, **{f"{k}_bytes": reserved[k] + size for k, size in usable.items()})


def check(plan: Plan, budget: Budget | None = None, board: Board = NANO) -> None:
    arena = CONTEXT - 4
    check_budget(plan, Footprint(WEIGHTS, CODE, arena, CONTEXT), budget or Budget(), board)


@pytest.mark.parametrize(
    ("name", "needs"),
    [("weight_bytes", WEIGHTS), ("flash_bytes", WEIGHTS + CODE), ("ram_bytes", CONTEXT)],
)
def test_a_budget_holds_to_the_last_byte(plan: Plan, name: str, needs: int) -> None:
    check(plan, Budget(**{name: needs}))
    with pytest.raises(BudgetError) as error:
        check(plan, Budget(**{name: needs - 1}))
    assert (error.value.needs, error.value.has) == (needs, needs - 1)


def test_a_budget_holds_to_the_last_operation(plan: Plan) -> None:
    check(plan, Budget(macs=plan.macs))
    with pytest.raises(BudgetError) as error:
        check(plan, Budget(macs=plan.macs - 1))
    assert (error.value.needs, error.value.has) == (plan.macs, plan.macs - 1)


@pytest.mark.parametrize(("memory", "needs"), [("flash", WEIGHTS + CODE), ("ram", CONTEXT)])
def test_a_board_is_full_with_its_last_byte(plan: Plan, memory: str, needs: int) -> None:
    check(plan, board=board_with(**{memory: needs}))
    with pytest.raises(BudgetError) as error:
        check(plan, board=board_with(**{memory: needs - 1}))
    assert (error.value.needs, error.value.has) == (needs, needs - 1)


def test_a_budget_of_nothing_is_a_limit(plan: Plan) -> None:
    """0 is a number of bytes, and not the same as no limit."""
    for name in ("weight_bytes", "flash_bytes", "ram_bytes", "macs"):
        with pytest.raises(BudgetError) as error:
            check(plan, Budget(**{name: 0}))
        assert error.value.has == 0


def test_the_budget_comes_before_the_board(plan: Plan) -> None:
    with pytest.raises(BudgetError) as error:
        check(plan, Budget(ram_bytes=CONTEXT - 9), board_with(ram=CONTEXT - 50))
    assert error.value.has == CONTEXT - 9


def sizes(rows: Any) -> list[int]:
    return [size for _, size in rows]


def test_what_is_largest_is_named_first(plan: Plan) -> None:
    """Of weights the tables, of RAM the tensors of the arena, of operations the operators."""
    expected = {
        "weight_bytes": [table.bytes for table in plan.tables],
        "flash_bytes": [table.bytes for table in plan.tables],
        "ram_bytes": [
            plan.graph.tensors[i].bytes for i in plan.offsets if plan.graph.tensors[i].alias is None
        ],
        "macs": [step.macs for step in plan.steps],
    }
    for name, all_sizes in expected.items():
        with pytest.raises(BudgetError) as error:
            check(plan, Budget(**{name: 1}))
        largest = error.value.largest
        assert sizes(largest) == sorted(all_sizes, reverse=True)[: len(largest)]
        assert len(largest) == min(5, len(all_sizes)) > 1
        assert all(name in error.value.problem for name, _ in largest)
