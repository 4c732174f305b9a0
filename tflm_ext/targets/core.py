"""What a processor core is: one folder per core in cores/, with its costs and code sizes."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from tflm_ext.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Emulator:
    """How QEMU runs code of a core.

    Attributes:
        machine: QEMU's name of it, one of Arm's MPS2 boards.
        runs_on: the core that this machine has. It executes all instructions of our core, and is
            our core unless QEMU has no such machine with enough memory.
        traps_unaligned: whether the start-up code makes it fault where only our core would.
    """

    machine: str
    runs_on: str
    traps_unaligned: bool = False


@dataclass(frozen=True, slots=True)
class CycleModel:
    """What instructions take, of the core's technical reference manual.

    Attributes:
        source: the manual.
        load: a single load; paired_load: one that follows another.
        multiple: what a load or store of several takes besides a cycle for each.
        divide: in the middle of its range.
        multiply: of 32 bits.
        refill: of the pipeline, after a taken branch.
        call: more for a call than for another taken branch.
        real_per_estimated: real cycles per estimated one, from and to, and where that was
            published; None if nothing was.
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
        name: as compilers call it, like "cortex-m4".
        title: for people.
        architecture: "armv7e-m" and so on.
        dsp: whether it has the DSP extension, for which kernels have assembly.
        fpu: GCC's name of its floating-point unit, None without one.
        compiler_flags: that choose the core.
        emulator: how it is emulated.
        cycle_model: None where the manual gives no cycles.
        folder: with the tables of the core.
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
        """Whether kernels were written for it; else it runs their portable twins."""
        return self.dsp

    @functools.cached_property
    def costs(self) -> Mapping[str, Any]:
        """What kernels take: `make kernel-costs` fits it to counts of the emulated core."""
        return self._table("costs.toml")

    @functools.cached_property
    def sizes(self) -> Mapping[str, Any]:
        """Bytes of code of the kernels, which `make kernel-sizes` measures."""
        return self._table("sizes.toml")

    def _table(self, name: str) -> Mapping[str, Any]:
        return tomllib.loads(self.folder.joinpath(name).read_text("utf-8"))


@functools.cache
def cores() -> tuple[Core, ...]:
    """All known cores, sorted by name.

    Example:
        >>> "cortex-m4" in [core.name for core in cores()]
        True
    """
    folders = (f for f in resources.files(__package__).joinpath("cores").iterdir() if f.is_dir())
    known = (f for f in folders if f.joinpath("core.toml").is_file())
    return tuple(map(_read, sorted(known, key=lambda folder: folder.name)))


def core(name: str) -> Core:
    """The core of that name.

    Raises:
        ConfigError: there is none.

    Example:
        >>> core("cortex-m4").environment
        'cortex_m4'
    """
    for known in cores():
        if known.name == name:
            return known
    raise ConfigError(
        f"There is no core {name!r}.", f"Choose one of: {', '.join(c.name for c in cores())}."
    )


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
