"""Checks that a pipeline fits the board: its memory, and inferences that keep up with a sensor."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflm_ext.emit.sense import ring_bytes
from tflm_ext.emit.sense_memory import context_bytes
from tflm_ext.errors import BudgetError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.options import Budget
from tflm_ext.plan import Plan
from tflm_ext.signals import Pipeline
from tflm_ext.targets import Board

_MARGIN = 1.5  # real to estimated cycles, for cores of which no ratio was published


def inference_us(plan: Plan, board: Board) -> int:
    """Return an upper bound of the time of an inference in microseconds.

    It comes from the costs of the kernels and the largest published ratio of real to estimated
    cycles, and is 0 for an emulated core, which has no clock.
    """
    if board.emulated_only:
        return 0
    model = board.core.cycle_model
    ratios = model and model.real_per_estimated
    cycles = sum(step.option.cycles for step in plan.steps)
    return math.ceil(1e6 * cycles * (ratios[1] if ratios else _MARGIN) / board.clock_hz)


def check_time(facts: ModelFacts, pipeline: Pipeline, board: Board) -> None:
    """Require that an inference takes no longer than the time between two windows.

    Raises:
        BudgetError: it may take longer, so that samples would be lost for ever.
    """
    period = math.floor(10**6 / pipeline.out.rate)
    needs = facts.inference_us
    if needs <= period:
        return
    frames = math.ceil(needs * pipeline.frame_rate / 10**6)
    raise BudgetError(
        f"{facts.name} takes up to {needs / 1000:,.1f} ms on the {board.title}, but the pipeline "
        f"gives a window every {period / 1000:,.1f} ms ({(needs - period) / 1000:,.1f} ms too "
        "long), so samples would be lost.",
        f"Pass a larger hop or Stack(..., every={frames}), make the model smaller, or use a faster "
        "board.",
        needs=needs,
        has=period,
    )


def check_memory(
    facts: ModelFacts,
    pipeline: Pipeline,
    model_bytes: int,
    budget: Budget,
    board: Board,
    capture: int = 0,
) -> None:
    """Compare the RAM of a model and its pipeline with the budget, then with the board.

    Args:
        model_bytes: RAM of the model alone.
        capture: bytes for samples that the firmware may send.

    Raises:
        BudgetError: they need more.
    """
    own = context_bytes(facts, pipeline)
    ring = ring_bytes(facts, pipeline)
    parts = {"pipeline": own, "model": model_bytes}
    if capture:
        parts["capture"] = capture
    kept = f", and capture_seconds {capture:,}" if capture else ""
    less = "Pass less capture_seconds, or u" if capture else "U"
    _require(
        f"{facts.name} and its pipeline need {{}} bytes of RAM; {{}}. The pipeline takes {own:,}, "
        f"of which {ring:,} are for samples that wait{kept}.",
        f"{less}se a smaller hop, frame or Stack, or a lower rate.",
        parts,
        (budget.ram_bytes, board.usable_ram_bytes),
        board,
    )


def check_flash(
    name: str, pipeline_bytes: int, model_bytes: int, budget: Budget, board: Board
) -> None:
    """Compare the flash of a model and its pipeline, as measured, with the budget and the board.

    Raises:
        BudgetError: they need more.
    """
    _require(
        f"{name} and its pipeline need {{}} bytes of flash; {{}}. The pipeline takes "
        f"{pipeline_bytes:,}.",
        "Use a front end with less code or smaller tables, or make the model smaller.",
        {"pipeline": pipeline_bytes, "model": model_bytes},
        (budget.flash_bytes, board.usable_flash_bytes),
        board,
    )


def _require(
    problem: str,
    hint: str,
    parts: Mapping[str, int],
    limits: tuple[int | None, int | None],
    board: Board,
) -> None:
    """Compare the sum of parts with the limits of budget and board.

    Args:
        problem: with braces for the sum, and for the limit.

    Raises:
        BudgetError: it is larger.
    """
    needs = sum(parts.values())
    owners = ("the budget allows", f"the {board.title} leaves a program")
    for has, owner in zip(limits, owners, strict=True):
        if has is not None and needs > has:
            raise BudgetError(
                problem.format(f"{needs:,}", f"{owner} {has:,} ({needs - has:,} over)"),
                hint,
                needs=needs,
                has=has,
                largest=tuple(parts.items()),
            )
