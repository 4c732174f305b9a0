"""Cost of kernels on a core: a committed table, fitted to counts from the emulated core.

benchmarks/kernel_costs.py writes the table. A kernel declares how often each piece of its code runs
(Kernel.work); the table has the cost of running each piece once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tflm_ext.ir import Limits, NodeView
from tflm_ext.kernels import LIMITS, Kernel
from tflm_ext.kernels.base import Work, work_by_elements
from tflm_ext.targets import Core

Pieces: TypeAlias = Mapping[str, float]
"""Cost of each piece of a kernel's code, by the field of its Work."""


def of_pieces(core: Core, kernel: str, alone: bool) -> tuple[Pieces, Pieces]:
    """Return instructions and cycles of each piece of a kernel's code.

    If the core's manual gives no cycles, they equal the instructions.

    Args:
        core: the core that runs the kernel.
        kernel: its name.
        alone: whether only one operator uses the kernel, so that the compiler may specialise it.

    Raises:
        LookupError: the kernel has not been measured yet.
    """
    table = core.costs
    own = table["alone" if alone and kernel in table["alone"]["instructions"] else "several"]
    if kernel not in own["instructions"]:
        raise LookupError(
            f"There are no costs for the kernel {kernel!r} on the {core.title}; run"
            f" `make kernel-costs CORE={core.name} KERNEL={kernel}`."
        )
    instructions: Pieces = own["instructions"][kernel]
    return instructions, own["cycles"][kernel] if "cycles" in own else instructions


def estimated(core: Core, kernel: Kernel, view: NodeView, alone: bool) -> tuple[int, int]:
    """Estimate instructions and cycles of one call; `alone` as in of_pieces()."""
    return _of_work(core, kernel.name, kernel.work(view), alone)


def limit_estimated(core: Core, limits: Limits, view: NodeView) -> tuple[int, int]:
    """Estimate instructions and cycles of clamping the output; see KernelCall.limits."""
    return _of_work(core, LIMITS[limits.dtype], work_by_elements(view), False)


def _of_work(core: Core, kernel: str, work: Work, alone: bool) -> tuple[int, int]:
    instructions, cycles = (cost_of(work, pieces) for pieces in of_pieces(core, kernel, alone))
    return round(instructions), round(cycles)


def cost_of(work: Work, pieces: Pieces) -> float:
    """Return the cost of a call: the sum over all pieces, each times its number of runs.

    Raises:
        LookupError: the table has different pieces, because the kernel's work was changed.
    """
    counts = work._asdict()
    if counts.keys() != pieces.keys():
        raise LookupError(
            f"The table of costs has {', '.join(pieces)}, but the work {', '.join(counts)}; run"
            " `make kernel-costs` for the kernel."
        )
    return sum(counts[piece] * cost for piece, cost in pieces.items())
