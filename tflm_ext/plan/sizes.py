"""Code sizes of kernels: a committed table, measured with the compiler that the table names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tflm_ext.kernels import LIMITS, Kernel, KernelCall
from tflm_ext.kernels.base import FieldValue
from tflm_ext.targets import Core


def compiler(core: Core) -> str:
    """Return the compiler that the table was measured with."""
    return str(core.sizes["compiler"])


def kernel_bytes(core: Core, kernel: str) -> int:
    """Return the bytes of code of one kernel.

    Raises:
        LookupError: the kernel has not been measured yet.
    """
    shared = (core.sizes["shared"][part] for part in _shared(core, kernel))
    return _own_bytes(core, kernel) + sum(shared)


def _own_bytes(core: Core, kernel: str) -> int:
    """Return the bytes of a kernel without the functions that it shares with others."""
    table = core.sizes["bytes"]
    if kernel not in table:
        raise LookupError(
            f"There is no code size for the kernel {kernel!r} on the {core.title}; run"
            f" `make kernel-sizes CORE={core.name}`."
        )
    return int(table[kernel])


@dataclass(frozen=True, slots=True)
class Uses:
    """Calls of a kernel.

    Attributes:
        calls: number of calls.
        parameter_bytes: size of the parameter structs of all calls.
    """

    calls: int
    parameter_bytes: int

    def __add__(self, other: Uses) -> Uses:
        return Uses(self.calls + other.calls, self.parameter_bytes + other.parameter_bytes)


def uses_of(steps: Iterable[tuple[Kernel, KernelCall]]) -> dict[str, Uses]:
    """Return the uses of each kernel, by its name."""
    found: dict[str, Uses] = {}
    nothing = Uses(0, 0)
    for kernel, call in steps:
        own = Uses(1, 4 * sum(_numbers(value) for _, value in call.fields))
        found[kernel.name] = found.get(kernel.name, nothing) + own
        if call.limits is not None:
            limit = LIMITS[call.limits.dtype]
            found[limit] = found.get(limit, nothing) + Uses(1, 12)
    return found


def code_bytes(core: Core, uses: Mapping[str, Uses]) -> int:
    """Estimate the bytes of code: the kernels, the entry points, and each operator's call.

    The compiler makes one function of a kernel, to which all calls pass their parameters. It
    inlines small kernels and those with a single call; with constant parameters, they become
    smaller than measured. Kernels that are marked not to be inlined shrink less.

    Raises:
        LookupError: a kernel has not been measured yet.
    """
    table = core.sizes
    total = table["entry"]
    for kernel, own in uses.items():
        size = _own_bytes(core, kernel)
        stays = kernel in table["functions"]
        if not stays and (own.calls == 1 or size <= table["inlined"]):
            total += own.calls * size * table["adapted"]
        else:
            total += size * (table["alone"] if stays and own.calls == 1 else 1)
            total += own.calls * table["call"] + own.parameter_bytes
    shared = {part for kernel in uses for part in _shared(core, kernel)}
    return round(total + sum(table["shared"][part] for part in shared))


def _numbers(value: FieldValue) -> int:
    """Count the numbers in a field: 1, or the length of a tuple."""
    return sum(map(_numbers, value)) if isinstance(value, tuple) else 1


def _shared(core: Core, kernel: str) -> tuple[str, ...]:
    """Return functions that a kernel shares with others."""
    return tuple(core.sizes["uses"].get(kernel, ()))
