"""Counts steps of C on the emulated core: the same program for our stages and for other code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_ext.bench.emulator import emulate, link
from tflm_ext.emit.render import render
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals.fft import Array
from tflm_ext.targets import Board

_MAIN = """
{declared}
int main(void)
{{
    moment_t start;
    moment_t end;

    *SYST_RVR = SYSTICK_MASK;
    *SYST_CVR = 0U;
    *SYST_CSR = 5U;
    begin();
{steps}
{results}
    return 0;
}}
"""
_STEP = """    start = now();
    {name}();
    end = now();
    print_number("{name}", instructions_between(start, end));"""
_RESULT = """    for (uint32_t i = 0U; i < {words}U; ++i) {{
        print_number("{name}", ((const uint32_t *){name})[i]);
    }}"""


@dataclass(frozen=True, slots=True)
class Result:
    """A global array of the C that the program prints; its size is a multiple of four bytes."""

    name: str
    count: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a step took; cycles are estimated, and None if QEMU cannot count them."""

    instructions: int
    cycles: int | None

    def __add__(self, other: Spent) -> Spent:
        known = self.cycles is not None and other.cycles is not None
        cycles = (self.cycles or 0) + (other.cycles or 0) if known else None
        return Spent(self.instructions + other.instructions, cycles)


@dataclass(frozen=True, slots=True)
class _Nothing:
    pass


def program(steps: Sequence[str], results: Sequence[Result]) -> str:
    """Return the C of main(), which calls begin(), counts each step, and prints the results."""
    declared = [f"extern void {name}(void);" for name in ("begin", *steps)]
    declared += [f"extern uint32_t {result.name}[];" for result in results]
    printed = [
        _RESULT.format(name=own.name, words=own.count * np.dtype(own.dtype).itemsize // 4)
        for own in results
    ]
    main = _MAIN.format(
        declared="\n".join(declared),
        steps="\n".join(_STEP.format(name=name) for name in steps),
        results="\n".join(printed),
    )
    return (
        "#include <stddef.h>\n#include <stdint.h>\n"
        + render("bench/timers.c.j2", _Nothing())
        + main
    )


def count_steps(
    units: Sequence[tuple[Path, Sequence[str]]],
    steps: Sequence[str],
    results: Sequence[Result],
    board: Board,
    flags: tuple[str, ...],
) -> tuple[dict[str, Spent], dict[str, Array]]:
    """Compile C that has begin() and the steps as functions, and run them one after another.

    Args:
        units: files, with the flags of each.

    Raises:
        ToolError: it does not compile.
    """
    with scratch_folder() as folder:
        linked = link(board, flags, folder / "steps", program(steps, results), units)
        said, intervals, _ = emulate(linked, board.core, folder / "counts.txt")
    counts = [Spent(words(said, name)[0], None) for name in steps]
    if intervals is not None:
        # Between the two calls of now() around each step, and not from one step to the next.
        counts = [Spent(interval.instructions, interval.cycles) for interval in intervals[::2]]
    found = {
        own.name: np.array(words(said, own.name), np.uint32).view(own.dtype)[: own.count]
        for own in results
    }
    return dict(zip(steps, counts, strict=True)), found


def words(said: str, name: str) -> list[int]:
    """Return the numbers that the program printed with a name."""
    return [int(value) for value in re.findall(rf"^{name} (\d+)$", said, re.MULTILINE)]
