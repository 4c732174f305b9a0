"""A model that does not fit says what it needs, what is allowed, and which layers take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import BudgetError
from tflm_ext.frontend import read_graph
from tflm_ext.frontend.read import read_foreign
from tflm_ext.options import Budget
from tflm_ext.plan import Plan, foreign_plan, make_plan
from tflm_ext.plan.budget import check_budget
from tflm_ext.plan.footprint import Footprint, arena_bytes, context_bytes
from tflm_ext.targets import board

NANO = board("nano33ble_sense")


LAYERS = ("net/wide/MatMul", "net/narrow/MatMul")


def two_layers(names: tuple[str, str] = LAYERS, *, absent: bool = False) -> bytes:
    """1x4 -> 1x8 -> 1x2, with these names of the layers' outputs.

    absent: an optional input of each layer is listed, and has no tensor.
    """
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    for name, inputs, outputs in zip(names, (4, 8), (8, 2), strict=True):
        weights = b.constant(np.ones((outputs, inputs), np.int8), scale=0.02)
        y = b.tensor((1, outputs), scale=0.5, name=name)
        b.operator("FULLY_CONNECTED", [x, weights, *([-1] if absent else [])], [y])
        x = y
    return b.finish([0], [x])


def plan_of_two_layers(names: tuple[str, str] = LAYERS) -> Plan:
    return make_plan(read_graph(two_layers(names), "net"))


def footprint(flash: int, ram: int) -> Footprint:
    return Footprint(weight_bytes=flash, code_bytes=0, arena_bytes=ram - 4, context_bytes=ram)


def refusal(plan: Plan, budget: Budget, *, flash: int = 100, ram: int = 20) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        check_budget(plan, footprint(flash, ram), budget, NANO)
    return caught.value


@pytest.mark.parametrize("absent", [False, True])
def test_ram_is_told_by_layers_and_inputs(absent: bool) -> None:
    plan = make_plan(read_graph(two_layers(absent=absent), "net"))
    error = refusal(plan, Budget(ram_bytes=16))
    assert error.problem == (
        "net needs 20 bytes of RAM; the budget allows 16 (4 over). Largest in bytes: output of "
        "layer wide (8), input 0 (4), output of layer narrow (2)."
    )
    assert error.hint == (
        "Make the model smaller, for example with compress(model, ..., "
        "budget=Budget(ram_bytes=16)), or raise the limit."
    )
    assert (error.needs, error.has) == (20, 16)


def test_operators_are_named_where_layers_are_not_known() -> None:
    error = refusal(plan_of_two_layers(("a", "b")), Budget(macs=40))
    assert error.problem == (
        "net needs 48 multiply-accumulates; the budget allows 40 (8 over). Largest: "
        "operator 0 FULLY_CONNECTED (32), operator 1 FULLY_CONNECTED (16)."
    )


@pytest.mark.parametrize("argument", ["weight_bytes", "flash_bytes"])
def test_tables_are_named_by_what_they_hold(argument: str) -> None:
    error = refusal(plan_of_two_layers(), Budget(**{argument: 99}))
    assert "weights of layer wide " in error.problem
    assert f"budget=Budget({argument}=99))" in error.hint


def test_constants_of_an_interpreted_model_are_named_by_their_layers() -> None:
    plan = foreign_plan(read_foreign(two_layers(), "net"), NANO.core)
    error = refusal(plan, Budget(flash_bytes=99))
    assert error.problem == (
        "net needs 100 bytes of flash; the budget allows 99 (1 over). Largest in bytes: constant "
        "of layer wide (32), constant of layer narrow (16)."
    )


def test_an_input_that_is_an_output_takes_ram() -> None:
    b = ModelBuilder()
    x, y, z = (b.tensor((1, size), scale=0.1) for size in (4, 4, 12))
    b.operator("RELU", [x], [y])
    error = refusal(make_plan(read_graph(b.finish([x, z], [y, z]), "net")), Budget(ram_bytes=1))
    assert error.largest == (("input 1", 12), ("input 0", 4), ("output of layer layer1", 4))


def test_operators_that_are_not_known_count_no_multiplications() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.1), b.tensor((1, 4), scale=0.1)
    b.operator("GELU", [x], [y])
    plan = foreign_plan(read_foreign(b.finish([x], [y]), "net"), NANO.core)
    assert (plan.macs, len(plan.steps)) == (0, 1)


@pytest.mark.parametrize(("size", "arena"), [(1, 4), (4, 4), (5, 8)])
def test_a_context_is_the_arena_and_one_word(size: int, arena: int) -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, size), scale=0.1), b.tensor((1, size), scale=0.1)
    b.operator("RELU", [x], [y])
    plan = make_plan(read_graph(b.finish([x], [y])))
    assert (arena_bytes(plan), context_bytes(plan)) == (arena, arena + 4)
    assert arena_bytes(replace(plan, arena_bytes=0)) == 4  # C has no empty arrays


def test_the_board_sets_limits_that_cannot_be_raised() -> None:
    has = NANO.usable_ram_bytes
    error = refusal(plan_of_two_layers(), Budget(), ram=has + 1)
    assert error.problem.startswith(
        f"net needs {has + 1:,} bytes of RAM; the Arduino Nano 33 BLE Sense leaves a program "
        f"{has:,} (1 over). Largest in bytes: output of layer wide (8), "
    )
    assert error.hint == (
        f"Make the model smaller, for example with compress(model, ..., "
        f"budget=Budget(ram_bytes={has:_})), or pass board=None (--board none) for this computer "
        "and the emulated core alone."
    )
