"""Estimates cycles: multiplies the count of each instruction by its cycles in the core's manual.

A QEMU plugin counts (templates/bench/count_blocks.c). The manual's cycles are for memory without
wait states (targets/cores/*/core.toml); for ranges, the middle is used. Real time is longer,
because of wait states of the flash, stores to a full write buffer, and unaligned operands.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tflm_ext.bench.tools import run_tool
from tflm_ext.emit.render import templates_folder
from tflm_ext.errors import StorageError, ToolError
from tflm_ext.scratch import scratch_folder
from tflm_ext.targets.core import CycleModel
from tflm_ext.verify.host import find_compiler

_SINGLE_LOAD = re.compile(r"ldr(?!d|ex)")
_MULTIPLE = re.compile(r"v?(ldm|stm|push|pop)")
_FIRST_PLUGIN_VERSION_2 = 9


@dataclass(frozen=True, slots=True)
class Interval:
    """Instructions executed between two marks.

    Attributes:
        instructions: exact.
        cycles: estimated.
    """

    instructions: int
    cycles: int


def counting_plugin() -> Path:
    """Return the plugin, which is built on first use and kept in the user's cache folder.

    Raises:
        ToolError: it cannot be built on this computer.
    """
    source = templates_folder() / "bench" / "count_blocks.c"
    said = run_tool(("qemu-system-arm", "--version"))
    found = re.search(r"version (\d+)\.", said)
    version = 2 if found and int(found[1]) >= _FIRST_PLUGIN_VERSION_2 else 1
    digest = hashlib.sha256(source.read_bytes() + said.encode()).hexdigest()[:16]
    plugin = Path(platformdirs.user_cache_dir("tflm_ext")) / f"count_blocks_{digest}.so"
    if not plugin.is_file():
        try:
            _build(source, version, plugin)
        except (OSError, StorageError) as error:
            raise ToolError(
                f"The folder for QEMU's plugin, {plugin.parent}, cannot be written.",
                "Set XDG_CACHE_HOME to a writable folder.",
            ) from error
    return plugin


def _build(source: Path, version: int, plugin: Path) -> None:
    plugin.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(plugin.parent) as folder:
        new = folder / plugin.name
        # On macOS, too, QEMU's functions are found when it loads the plugin.
        undefined = ("-undefined", "dynamic_lookup") if os.uname().sysname == "Darwin" else ()
        run_tool(
            (
                *(find_compiler(), "-std=c99", "-O2", "-shared", "-fPIC", *undefined),
                *(f"-DPLUGIN_VERSION={version}", str(source), "-o", str(new)),
            )
        )
        os.replace(new, plugin)


def read_intervals(program: Path, counts: str, model: CycleModel) -> list[Interval]:
    """Return what was executed between each mark and the next one.

    Args:
        program: the ELF file that ran.
        counts: output of the plugin.
        model: of the core.

    Raises:
        ToolError: there is no disassembler, or it does not know an instruction that ran.
    """
    listing = _Listing(program, model)
    intervals: list[Interval] = []
    instructions = cycles = 0
    for line in counts.splitlines():
        if line == "mark":
            intervals.append(Interval(instructions, cycles))
            instructions = cycles = 0
            continue
        first, last, count, taken = line.split()
        number, cost = listing.block(int(first, 16), int(last, 16))
        instructions += int(count) * number
        cycles += int(count) * cost + int(taken) * model.refill
    return intervals[1:]  # the first one ends at the first mark


class _Listing:
    """The instructions of a program."""

    def __init__(self, program: Path, model: CycleModel) -> None:
        self._model = model
        said = run_tool(("arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(program)))
        rows = re.findall(r"^ *([0-9a-f]+):\t(\S+)[ \t]*([^;@<\n]*)", said, re.MULTILINE)
        self._addresses = [int(address, 16) for address, _, _ in rows]
        self._words = [(name.partition(".")[0], operands) for _, name, operands in rows]
        self._blocks: dict[tuple[int, int], tuple[int, int]] = {}

    def block(self, first: int, last: int) -> tuple[int, int]:
        """Return instructions, and cycles without taken branches."""
        if (first, last) not in self._blocks:
            start = bisect_left(self._addresses, first)
            words = self._words[start : bisect_right(self._addresses, last)]
            if not words:
                raise ToolError(
                    f"The disassembler lists no instruction at {first:#x}, but one was executed.",
                    "Install a version of binutils-arm-none-eabi that matches the compiler.",
                )
            self._blocks[first, last] = len(words), _cycles(words, self._model)
        return self._blocks[first, last]


def _cycles(words: Sequence[tuple[str, str]], model: CycleModel) -> int:
    total, after_load = 0, False
    for name, operands in words:
        load = bool(_SINGLE_LOAD.match(name))
        if load:
            total += model.paired_load if after_load else model.load
        elif _MULTIPLE.match(name):
            total += model.multiple + _registers(operands)
        elif name.startswith(("ldrd", "strd")):
            total += model.multiple + 2
        elif name.startswith(("udiv", "sdiv")):
            total += model.divide
        elif name == "bl":
            total += 1 + model.call
        elif name.startswith("mul"):
            total += model.multiply
        elif name.startswith(("vdiv", "vsqrt")):
            total += 14
        elif name.startswith(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms")):
            total += 3
        elif name.startswith(("vldr", "vstr", "tbb", "tbh", "mrs", "msr")):
            total += 2
        else:
            total += 1  # stores, too: the next instruction runs while they wait for memory
        after_load = load
    return total


def _registers(operands: str) -> int:
    """Return the number of registers in a list like {r4, r6-r8, lr}."""
    count = 0
    for part in operands.partition("{")[2].partition("}")[0].split(","):
        numbers = [int(n) for n in re.findall(r"[rsd](\d+)", part)]
        count += numbers[1] - numbers[0] + 1 if len(numbers) == 2 else 1
    return count
