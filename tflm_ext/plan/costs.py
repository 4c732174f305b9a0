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
from tflm_ext.ops import Kernel


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files("tflm_ext.plan").joinpath("kernel_costs.toml").read_text("utf-8"))


def estimated(kernel: Kernel, view: NodeView) -> tuple[int, int]:
    """Instructions and cycles of one call on a Cortex-M4."""
    work = kernel.work(view)
    instructions, cycles = (
        round(sum(n * cost for n, cost in zip(work, _file()[unit][kernel.name], strict=True)))
        for unit in ("instructions", "cycles")
    )
    return instructions, cycles
