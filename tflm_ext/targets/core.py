"""Processor cores: one folder each in cores/, with costs and code sizes."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from tflm_ext.near import unknown

MACHINE_BYTES = 4 << 20
"""Memory for code, and again for data, of the machines that QEMU emulates."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """How QEMU runs the code of a core.

    Attributes:
        machine: QEMU's name of the machine, one of Arm's MPS2 boards.
        runs_on: the machine's core. It executes all instructions of our core, and is the same core
            unless QEMU has no such machine with enough memory.
        traps_unaligned: whether the start-up code makes unaligned accesses fault, as on our core.
    """

    machine: str
    runs_on: str
    traps_unaligned: bool = False


@dataclass(frozen=True, slots=True)
class CycleModel:
    """Cycles of instructions, from the core's technical reference manual.

    Attributes:
        source: the manual.
        load: a single load; paired_load: a load after another load.
        multiple: a load or store of several registers, in addition to one cycle per register.
        divide: the middle of the range.
        multiply: with a 32-bit result.
        refill: of the pipeline, after a taken branch.
        call: additional cycles of a call, compared with other taken branches.
        real_per_estimated: smallest and largest ratio of real to estimated cycles, and where it was
            published; None if no ratio was published.
    """

    source: str
    load: int
    paired_load: int
    multiple: int
    divide: int
    multiply: int
    refill: int
    call: int
    real_per_estimated: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Core:
    """A processor core.

    Attributes:
        name: the compilers' name, like "cortex-m4".
        title: name for humans.
        architecture: "armv7e-m" and so on.
        dsp: whether it has the DSP extension, for which kernels have assembly.
        fpu: GCC's name of its floating-point unit; None if it has none.
        compiler_flags: flags that select the core.
        emulator: how it is emulated.
        cycle_model: None if the manual gives no cycles.
        folder: the folder with the core's tables.
    """

    name: str
    title: str
    architecture: str
    dsp: bool
    fpu: str | None
    compiler_flags: tuple[str, ...]
    emulator: Emulator
    cycle_model: CycleModel | None
    folder: Traversable

    @property
    def environment(self) -> str:
        """The emulated core's environment in platformio.ini."""
        return self.name.replace("-", "_")

    @property
    def tuned(self) -> bool:
        """Whether it has kernels in assembly; otherwise it runs the portable ones."""
        return self.dsp

    @functools.cached_property
    def costs(self) -> Mapping[str, Any]:
        """Costs of kernels, which `make kernel-costs` fits to counts from the emulated core."""
        return self._table("costs.toml")

    @functools.cached_property
    def sizes(self) -> Mapping[str, Any]:
        """Bytes of code of kernels, which `make kernel-sizes` measures."""
        return self._table("sizes.toml")

    def _table(self, name: str) -> Mapping[str, Any]:
        return tomllib.loads(self.folder.joinpath(name).read_text("utf-8"))


@functools.cache
def cores() -> tuple[Core, ...]:
    """Return all known cores, sorted by name.

    Example:
        >>> "cortex-m4" in [core.name for core in cores()]
        True
    """
    folders = (f for f in resources.files(__package__).joinpath("cores").iterdir() if f.is_dir())
    known = (f for f in folders if f.joinpath("core.toml").is_file())
    return tuple(map(_read, sorted(known, key=lambda folder: folder.name)))


def core(name: str) -> Core:
    """Return the core with this name.

    Raises:
        ConfigError: no core has this name.

    Example:
        >>> core("cortex-m4").environment
        'cortex_m4'
    """
    for known in cores():
        if known.name == name:
            return known
    raise unknown(f"There is no core {name!r}.", name, [known.name for known in cores()])


def _read(folder: Traversable) -> Core:
    data = tomllib.loads(folder.joinpath("core.toml").read_text("utf-8"))
    cycles = data.get("cycles")
    if cycles is not None and "real_per_estimated" in cycles:
        least, most = cycles["real_per_estimated"]
        cycles = {**cycles, "real_per_estimated": (least, most)}
    return Core(
        name=folder.name,
        title=data["title"],
        architecture=data["architecture"],
        dsp=data["dsp"],
        fpu=data.get("fpu"),
        compiler_flags=tuple(data["compiler_flags"]),
        emulator=Emulator(**data["emulator"]),
        cycle_model=None if cycles is None else CycleModel(**cycles),
        folder=folder,
    )
