"""What a kernel costs: a committed table, fitted to counts of the emulated core.

benchmarks/kernel_costs.py writes the table. A kernel tells how often the pieces of its code run,
see Kernel.work; the table has what each time costs.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeAlias

from tflm_ext.ir import NodeView
from tflm_ext.kernels import LIMIT, Kernel
from tflm_ext.kernels.base import Work, work_by_elements

Pieces: TypeAlias = Mapping[str, float]
"""What each piece of a kernel's work costs, by the field of its Work."""


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files("tflm_ext.plan").joinpath("kernel_costs.toml").read_text("utf-8"))


def of_pieces(kernel: str, alone: bool) -> tuple[Pieces, Pieces]:
    """Instructions and cycles of each piece of a kernel's work.

    Args:
        kernel: its name.
        alone: whether one operator of the model uses the kernel, so that the compiler may
            specialise its code.

    Raises:
        LookupError: the kernel has not been measured yet.
    """
    table = _file()
    own = table["alone" if alone and kernel in table["alone"]["cycles"] else "several"]
    if kernel not in own["cycles"]:
        raise LookupError(
            f"plan/kernel_costs.toml has no costs of the kernel {kernel!r}: run"
            f" `make kernel-costs KERNEL={kernel}`."
        )
    return own["instructions"][kernel], own["cycles"][kernel]


def estimated(kernel: Kernel, view: NodeView, alone: bool) -> tuple[int, int]:
    """Instructions and cycles of one call on a Cortex-M4; `alone` as in of_pieces()."""
    return _of_work(kernel.name, kernel.work(view), alone)


def limit_estimated(view: NodeView) -> tuple[int, int]:
    """Instructions and cycles of limiting the output after a kernel, see KernelCall.limits."""
    return _of_work(LIMIT, work_by_elements(view), False)


def _of_work(kernel: str, work: Work, alone: bool) -> tuple[int, int]:
    instructions, cycles = (cost_of(work, pieces) for pieces in of_pieces(kernel, alone))
    return round(instructions), round(cycles)


def cost_of(work: Work, pieces: Pieces) -> float:
    """The sum of what each piece costs as often as it runs.

    Raises:
        LookupError: the table has other pieces, because the kernel's work was changed.
    """
    counts = work._asdict()
    if counts.keys() != pieces.keys():
        raise LookupError(
            f"The table of costs has {', '.join(pieces)}, the work {', '.join(counts)}: run"
            " `make kernel-costs` for the kernel."
        )
    return sum(counts[piece] * cost for piece, cost in pieces.items())
