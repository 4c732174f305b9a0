"""Compiles a model for an emulated core, runs it once, and counts.

QEMU executes one instruction per nanosecond of the machine's time (`-icount shift=0`), which is
read from the machine's timers. The result is the number of executed instructions, exact up to a
tick of 40, and equal on all computers. It is not cycles, because QEMU models no pipeline and no
wait states.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.bench.cycles import Interval, counting_plugin, read_intervals
from tflm_ext.bench.tools import run_tool
from tflm_ext.emit.ports import PortView, input_views, output_views
from tflm_ext.emit.render import render
from tflm_ext.errors import ToolError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.programs import limit_error, run_program
from tflm_ext.project.pio import require_programs
from tflm_ext.project.platformio_tree import emulator_files, qemu_arguments
from tflm_ext.scratch import scratch_folder
from tflm_ext.targets import MACHINE_BYTES, STDIO_BYTES, Board, Core

Array: TypeAlias = np.ndarray[Any, Any]

C_COMPILER = "arm-none-eabi-gcc"
CXX_COMPILER = "arm-none-eabi-g++"
_PROGRAMS = (C_COMPILER, CXX_COMPILER, "arm-none-eabi-size", "qemu-system-arm")

_LOOP_INSTRUCTIONS = 2_000_000
_TICK_INSTRUCTIONS = 40
_QEMU_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Event:
    """An output of an operator has been computed.

    Attributes:
        tensor: number of the output.
        instructions: executed since the previous event, or since the start.
        cycles: likewise, estimated; None as in Measurement.
    """

    tensor: int
    instructions: int
    cycles: int | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurements of one inference, and sizes that the model adds to a program.

    Attributes:
        instructions: executed.
        stack_bytes: used below the caller of invoke.
        context_bytes: sizeof(context).
        flash_bytes: linked image with the model minus the same without it.
        arena_bytes: arena used by TensorFlow Lite Micro's interpreter; None without one.
        outputs: per output of the model, its values.
        events: if traced, in order.
        cycles: estimated; None if QEMU's plugin cannot be built or loaded.
        cycles_missing: why `cycles` is None, or "".
    """

    instructions: int
    stack_bytes: int
    context_bytes: int
    flash_bytes: int
    arena_bytes: int | None
    outputs: tuple[Array, ...]
    events: tuple[Event, ...] = ()
    cycles: int | None = None
    cycles_missing: str = ""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that the model's code needs.

    Attributes:
        archive: the compiled library.
        flags: flags that it requires for the model's C++.
        harness: template of the program that measures such a model.
    """

    archive: Path
    flags: tuple[str, ...]
    harness: str


@dataclass(frozen=True, slots=True)
class _HarnessView:
    core: Core
    name: str
    upper: str
    events: int
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]


def require_tools() -> None:
    """Require the compiler and the emulator.

    Raises:
        ToolError: one is missing.
    """
    require_programs(*_PROGRAMS)


def tools_at_hand() -> bool:
    """Whether compiler and emulator are installed."""
    return all(shutil.which(program) for program in _PROGRAMS)


def compiler_name(flags: Sequence[str]) -> str:
    """Return name, version and optimisation level, for tables."""
    version = run_tool((C_COMPILER, "-dumpfullversion")).strip()
    level = [flag for flag in flags if re.fullmatch(r"-O\w+", flag)][-1]
    return f"{C_COMPILER} {version} {level}"


def machine_flags(board: Board, flags: Sequence[str]) -> tuple[str, ...]:
    """Return the board's flags, without those that are replaced, like -mfloat-abi."""
    replaced = {flag.partition("=")[0] for flag in flags if "=" in flag}
    return tuple(f for f in board.machine_flags if f.partition("=")[0] not in replaced)


def measurement_inputs(facts: ModelFacts) -> tuple[Array, ...]:
    """Return the inputs of every measured inference, an array (1, size) each.

    Upper bits of a linear congruential generator (Knuth; Numerical Recipes), from 12345 on: 8 of
    them, or for integers 24, modulo the number of values that the model takes.
    """
    state, parts = 12345, []
    for port in facts.inputs:
        values = []
        for i in range(port.size):
            state = (state * 1664525 + 1013904223) % (1 << 32)
            value = state >> 24
            if port.quantization is None:
                own = port.limits[i % len(port.limits)]
                value = own.low + (state >> 8) % (own.high - own.low + 1)
            values.append(value)
        parts.append(np.array(values).astype(port.dtype.numpy)[np.newaxis])
    return tuple(parts)


def measure(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    board: Board,
    *,
    flags: Sequence[str] = (),
    library: Library | None = None,
    events: int = 0,
) -> Measurement:
    """Compile a model's files and run one inference.

    Args:
        facts: facts about the model.
        sources: the files of lib/<Name>/src/.
        board: determines the emulated core and the compiler flags.
        flags: compiler flags after the board's.
        library: TensorFlow Lite Micro, for runtime "tflm".
        events: number of outputs of operators to trace, which takes some instructions itself.

    Raises:
        ToolError: the compiler or the emulator is missing, fails, or cannot count.
    """
    require_tools()
    with scratch_folder() as folder:
        write_files(sources, folder / "model")
        parts = [f.path for f in sources if f.path.endswith((".c", ".cpp"))]
        template = library.harness if library else "bench/measure.c.j2"
        view = _HarnessView(
            core=board.core,
            name=facts.name,
            upper=facts.upper,
            events=events,
            inputs=input_views(facts),
            outputs=output_views(facts),
        )
        nothing = replace(view, name="", events=0)
        trace = (f"-D{facts.upper}_TRACE",) if events else ()
        own = (*trace, *(library.flags if library else ()))
        with_model = link(
            board,
            flags,
            folder / "with",
            render(template, view),
            [(folder / "model" / part, own) for part in parts],
            ("-I", str(folder / "model"), *trace),
            library,
        )
        without = link(board, flags, folder / "without", render("bench/measure.c.j2", nothing))
        said, intervals, missing = emulate(with_model, board.core, folder / "counts.txt")
        flash = flash_bytes(with_model) - flash_bytes(without)
    return _read(facts, said, flash, intervals, missing)


def compile_all(
    board: Board,
    units: Sequence[tuple[Path, Sequence[str]]],
    folder: Path,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Compile C and C++ files in parallel, and return the objects.

    Args:
        board: board whose flags come first.
        units: files, with the flags of each.
        folder: folder for the objects.
        progress: called after each file.

    Raises:
        ToolError: a file does not compile.
    """

    def compile_one(number: int) -> Path:
        path, flags = units[number]
        target = folder / f"{number}.o"
        cxx = path.suffix in (".cc", ".cpp")
        run_tool(
            (
                CXX_COMPILER if cxx else C_COMPILER,
                *machine_flags(board, flags),
                *board.common_flags,
                *(board.cxx_flags if cxx else board.c_flags),
                *flags,
                *("-c", str(path), "-o", str(target)),
            )
        )
        if progress is not None:
            progress(path.name)
        return target

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compile_one, number) for number in range(len(units))]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def link(
    board: Board,
    flags: Sequence[str],
    folder: Path,
    harness: str,
    units: Sequence[tuple[Path, Sequence[str]]] = (),
    include: Sequence[str] = (),
    library: Library | None = None,
) -> Path:
    """Link a program for the emulated core.

    Args:
        board: determines the core and the flags.
        flags: compiler flags after the board's.
        folder: for its files; it is created.
        harness: C file that has main().
        units: other files, with flags of each.
        include: flags of all files.
        library: to link with.

    Raises:
        ToolError: it does not compile.
    """
    folder.mkdir()
    # The machine's whole memory: models that do not fit the board can still be measured.
    roomy = replace(
        board,
        flash_bytes=MACHINE_BYTES,
        ram_bytes=MACHINE_BYTES - board.stack_bytes - STDIO_BYTES,
        reserved_flash_bytes=0,
        reserved_ram_bytes=0,
    )
    for file in emulator_files(roomy):
        name = Path(file.path).name
        if name in ("startup.c", "linker.ld"):
            (folder / name).write_bytes(file.content)
    (folder / "measure.c").write_text(harness, encoding="utf-8")
    own_flags = (*include, f"-DSTACK_BYTES={board.stack_bytes}U", *flags)
    objects = compile_all(
        board,
        [(folder / "startup.c", flags), (folder / "measure.c", own_flags)]
        + [(path, (*include, *flags, *own)) for path, own in units],
        folder / "objects",
    )
    program = folder / "program.elf"
    run_tool(
        (
            *(CXX_COMPILER, *machine_flags(board, flags), "-Os", *flags),
            *("-nostartfiles", "--specs=nano.specs"),
            *("-Wl,--gc-sections,--fatal-warnings", "-T", str(folder / "linker.ld")),
            *map(str, objects),
            *([str(library.archive)] if library else []),
            *("-o", str(program)),
        )
    )
    return program


def emulate(program: Path, core: Core, counts: Path) -> tuple[str, list[Interval] | None, str]:
    """Run a program that counts with now(), as templates/bench/timers.c.j2 defines it.

    Args:
        counts: file for the plugin's counts.

    Returns:
        The program's output; and the intervals between calls of now(), or why they are unknown.

    Raises:
        ToolError: it fails, or does not finish.
    """
    if core.cycle_model is None:
        return _counted(program, core), None, f"The manual of the {core.title} gives no cycles."
    try:
        plugin = f"{counting_plugin()},mark={_address(program, 'now')},out={counts}"
    except ToolError as error:
        return _counted(program, core), None, error.problem
    try:
        said = _counted(program, core, "-plugin", plugin)
    except ToolError:
        if counts.exists() and counts.stat().st_size:
            raise  # the plugin works, but the program fails
        return _counted(program, core), None, "This version of QEMU does not support plugins."
    intervals = read_intervals(program, counts.read_text("ascii"), core.cycle_model)
    return said, intervals, ""


def _counted(program: Path, core: Core, *options: str) -> str:
    return run(program, core, "-icount", "shift=0", *options).decode("ascii", "replace")


def run(program: Path, core: Core, *options: str, data: bytes = b"") -> bytes:
    """Run a program on the emulated core, and return its output.

    Args:
        options: of QEMU.
        data: standard input of the program.

    Raises:
        ToolError: it fails, or does not finish.
    """
    command = ("qemu-system-arm", *qemu_arguments(core), *options, "-kernel", str(program))
    try:
        done = run_program(command, seconds=_QEMU_SECONDS, data=data, leashed=True)
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"The model did not finish within {_QEMU_SECONDS:.0f} s on the emulated core.",
            "Measure a smaller model, or use a faster computer.",
            command=command,
        ) from error
    if done.returncode != 0:
        errors = done.stderr.decode("utf-8", "replace")
        limit = limit_error(command[0], done.returncode, errors, command)
        if limit is not None:
            raise limit
        raise ToolError(
            f"The model failed on the emulated core with status {done.returncode}.",
            f"Export it, and run its tests: tflm-ext test DIR -e {core.environment}",
            command=command,
            output=done.stdout.decode("ascii", "replace") + errors,
        )
    return done.stdout


def _read(
    facts: ModelFacts,
    said: str,
    flash_bytes: int,
    intervals: Sequence[Interval] | None,
    missing: str,
) -> Measurement:
    numbers = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    check_count(numbers["loop"])
    rows = re.findall(r"^output ([0-9a-f]*)$", said, re.MULTILINE)
    traced = re.findall(r"^tensor (\d+)\nafter (\d+)$", said, re.MULTILINE)
    cycles: list[int | None] = [None] * (len(traced) + 1)
    if intervals is not None:
        # Marks are: before and after the loop, before the inference, after each operator, after it.
        loop, _, *inference = intervals
        check_count(loop.instructions)
        cycles = [interval.cycles for interval in inference]
    before = [0, *(int(count) for _, count in traced)]
    return Measurement(
        instructions=numbers["instructions"],
        stack_bytes=numbers["stack"],
        context_bytes=numbers["context"],
        flash_bytes=flash_bytes,
        arena_bytes=numbers.get("arena"),
        outputs=tuple(
            np.frombuffer(bytes.fromhex(row), port.dtype.numpy)
            for row, port in zip(rows, facts.outputs, strict=False)  # none without a model
        ),
        events=tuple(
            Event(int(tensor), int(count) - start, spent)
            for (tensor, count), start, spent in zip(traced, before, cycles, strict=False)
        ),
        cycles=None if intervals is None else sum(c for c in cycles if c is not None),
        cycles_missing=missing,
    )


def check_count(loop: int) -> None:
    """Check the counter itself, with a loop of known length.

    Raises:
        ToolError: it is wrong.
    """
    if abs(loop - _LOOP_INSTRUCTIONS) > 3 * _TICK_INSTRUCTIONS:
        raise ToolError(
            f"The emulator counts {loop:,} instructions in a loop of {_LOOP_INSTRUCTIONS:,}.",
            "Install a QEMU that supports -icount shift=0; tflm-ext doctor shows its version.",
        )


def _address(program: Path, function: str) -> str:
    """Return the address of a function's first instruction, in hexadecimal."""
    found = re.search(
        rf"^(\w+) t {function}$", run_tool(("arm-none-eabi-nm", str(program))), re.MULTILINE
    )
    if found is None:
        raise AssertionError(f"measure.c has a function {function}")
    return found[1]


def flash_bytes(program: Path) -> int:
    """Return the bytes of a program in flash: code, constants and initial values."""
    text, data = run_tool(("arm-none-eabi-size", str(program))).splitlines()[1].split()[:2]
    return int(text) + int(data)
