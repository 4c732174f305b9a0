"""What a kernel costs: a committed table, fitted to counts of the emulated core.

benchmarks/kernel_costs.py writes the table. A kernel tells how often the pieces of its code run,
see Kernel.work; the table has what each time costs.
"""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files
from typing import Any

from tflm_ext.ir import NodeView
from tflm_ext.ops import LIMIT, Kernel
from tflm_ext.ops.base import Work, work_by_elements


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files("tflm_ext.plan").joinpath("kernel_costs.toml").read_text("utf-8"))


def of_pieces(kernel: str, alone: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Instructions and cycles of each piece of a kernel's work.

    Args:
        alone: whether one operator of the model uses the kernel, so that the compiler may
            specialise its code.
    """
    table = _file()
    own = table["alone" if alone and kernel in table["alone"]["cycles"] else "several"]
    return tuple(own["instructions"][kernel]), tuple(own["cycles"][kernel])


def estimated(kernel: Kernel, view: NodeView, alone: bool) -> tuple[int, int]:
    """Instructions and cycles of one call on a Cortex-M4; `alone` as in of_pieces()."""
    return _of_work(kernel.name, kernel.work(view), alone)


def limit_estimated(view: NodeView) -> tuple[int, int]:
    """Instructions and cycles of limiting the output behind a kernel, see Call.limits."""
    return _of_work(LIMIT, work_by_elements(view), False)


def _of_work(kernel: str, work: Work, alone: bool) -> tuple[int, int]:
    instructions, cycles = (
        round(sum(n * cost for n, cost in zip(work, costs, strict=True)))
        for costs in of_pieces(kernel, alone)
    )
    return instructions, cycles
