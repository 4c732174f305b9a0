"""Compiles the generated C with sanitizers, and runs it on this computer."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.emit.render import render
from tflm_ext.errors import TflmExtError, ToolError, VerificationError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.programs import LimitError, limit_error, run_program
from tflm_ext.scratch import scratch_folder

Array: TypeAlias = np.ndarray[Any, Any]

WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wcast-align",
    "-Wundef",
    "-Werror",
)
# -g1: reports name lines; variables, which no report names, would take a quarter of the time.
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
# The user's sanitizer options and preloaded libraries must not affect this program. There is
# nothing to leak, and the leak check fails if programs may not be traced.
_VARIABLES = {
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LD_PRELOAD": "",
    "LC_ALL": "C",
}

# Limits that end a hanging program, but tolerate a slow computer: even with sanitizers and other
# programs running, it executes more than this many steps per second.
_SECONDS = 60.0
# In steps: from here on, sanitizers without optimisation take longer than the second program saves.
_LONG_RUN = 1_000_000_000
_STEPS_PER_SECOND = 1_000_000
_LEAST_SHARE = 1 / 20  # of the processor; with less, the computer was too busy
_COMPILER_SECONDS = 900.0
_NO_MEMORY = 2  # exit status of host_harness.c

_HINT = "Do not use these files. Export the model again; if the error persists, report this bug."


@dataclass(frozen=True, slots=True)
class _HarnessView:
    name: str
    upper: str
    input_sizes: str
    output_sizes: str


@dataclass(frozen=True, slots=True)
class HostRun:
    """Results of the C.

    Attributes:
        outputs: an array (vectors, size) for each output of the model; empty if traced.
        tensors: the raw bytes per vector, by tensor number; empty if not traced.
    """

    outputs: tuple[Array, ...]
    tensors: dict[int, list[bytes]]


def find_compiler() -> str:
    """Return the C compiler of this computer: $CC, cc, gcc or clang.

    Raises:
        ToolError: there is no C compiler.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise ToolError(
        "No C compiler was found (looked for $CC, cc, gcc, clang).",
        "Install one; on Debian and Ubuntu, run: sudo apt-get install gcc",
    )


def run_host(
    facts: ModelFacts,
    sources: Sequence[RenderedFile],
    inputs: Sequence[Array],
    *,
    reset_each: bool = False,
    trace: bool = False,
) -> HostRun:
    """Compile the model's sources with ASan and UBSan, and run them on vectors.

    A short run is done twice: with sanitizers and without optimisation, which compiles fast, and
    without sanitizers and with optimisation, as firmware is compiled. A long one is done once, with
    both.

    Args:
        sources: the files of lib/<Name>/src/.
        inputs: per input of the model, an array (vectors, ...) of its element type.
        reset_each: put the state of recurrent operators back before each vector.
        trace: return the outputs of all operators instead of the model's.

    Raises:
        ToolError: the compiler is missing or incomplete.
        StorageError: the disk is full.
        VerificationError: the compiler issues a warning, a sanitizer reports an error, the
            program fails, or its results depend on the optimisation.
    """
    compiler = find_compiler()
    steps = len(inputs[0]) * (facts.macs + 64 * facts.arena_bytes)
    ways = [("-O2", *SANITIZE)] if steps > _LONG_RUN else [("-O0", *SANITIZE), ("-O2",)]
    with scratch_folder() as root:
        for file in sources:
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        view = _HarnessView(
            name=facts.name,
            upper=facts.upper,
            input_sizes=", ".join(f"{b.bytes}U" for b in facts.inputs),
            output_sizes=", ".join(f"{b.bytes}U" for b in facts.outputs),
        )
        Path(root, "harness.c").write_text(render("test/host_harness.c.j2", view), "utf-8")
        units = [f.path for f in sources if f.path.endswith(".c")]
        defined = (f"-D{facts.upper}_TRACE",) if trace else ()
        vectors = b"".join(
            part.tobytes() for vector in zip(*inputs, strict=True) for part in vector
        )
        mode = "reset" if reset_each else "stream"
        outputs = []
        for number, flags in enumerate(ways):
            options = ("-std=c99", *flags, *WARNINGS, "-I", ".", *defined)
            program = f"harness{number}"
            compile_c((compiler, *options, "harness.c", *units, "-o", program), root)
            seconds = _SECONDS + steps / _STEPS_PER_SECOND
            outputs.append(run_c((str(root / program), mode), vectors, seconds))
    output = outputs[0]
    if any(other != output for other in outputs):
        raise VerificationError(
            "The C gives other results with optimisation than without on this computer.", _HINT
        )
    if trace:
        return HostRun((), _split_trace(output))
    row = np.dtype([(f"output{i}", b.dtype.numpy, b.size) for i, b in enumerate(facts.outputs)])
    table = np.frombuffer(output, row, len(inputs[0]))
    columns = (table[name].reshape(len(table), -1) for name in row.names or ())
    return HostRun(tuple(map(np.ascontiguousarray, columns)), {})


def compile_c(command: Sequence[str], folder: Path) -> None:
    try:
        done = run_program(
            command, seconds=_COMPILER_SECONDS, folder=folder, variables={"LC_ALL": "C"}
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{command[0]} did not finish within {_COMPILER_SECONDS:.0f} s.",
            "Check the C compiler with tflm-ext doctor.",
            command=tuple(command),
        ) from error
    if done.returncode == 0:
        return
    said = done.stderr.decode("utf-8", "replace")
    limit = limit_error(command[0], done.returncode, said, command)
    if limit is not None:
        raise limit
    if re.search(r"\.[ch]:\d+:\d+: error: ", said):
        raise VerificationError(
            f"The generated C does not compile with {command[0]}: {_first_error(said)}",
            "Run tflm-ext doctor; if the compiler works, please report this bug in tflm_ext.",
        )
    raise ToolError(
        f"{command[0]} failed: {_first_error(said)}",
        "Run tflm-ext doctor to see what is missing.",
        command=tuple(command),
        output=said,
    )


def run_c(program: Sequence[str], vectors: bytes, seconds: float) -> bytes:
    before = _children_seconds()
    try:
        ran = run_program(
            program, seconds=seconds, data=vectors, variables=_VARIABLES, leashed=True
        )
    except subprocess.TimeoutExpired as error:
        used = _children_seconds() - before
        if used < seconds * _LEAST_SHARE:
            raise LimitError(
                f"The C got only {used:.0f} s of processor time within {seconds:.0f} s.",
                "Run the command again when this computer is less busy.",
            ) from error
        raise VerificationError(
            f"The C did not finish within {seconds:.0f} s on this computer.", _HINT
        ) from error
    if ran.returncode != 0:
        report = ran.stderr.decode("utf-8", "replace")
        limit = limit_error("The C on this computer", ran.returncode, report, program)
        if limit is None and ran.returncode == _NO_MEMORY:
            limit = limit_error("The C on this computer", ran.returncode, "out of memory", program)
        if limit is None:
            limit = _environment(Path(program[0]).parent)
        if limit is not None:
            raise limit
        operator = _operator(report)
        place = f" in operator {operator}" if operator else ""
        raise VerificationError(
            f"The C stopped with status {ran.returncode} on this computer{place}: "
            f"{_first_error(report)}",
            _HINT,
            operator=operator,
        )
    return ran.stdout


def _children_seconds() -> float:
    """Return the processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment(folder: Path) -> TflmExtError | None:
    """Return why even an empty program fails with sanitizers here; None if it runs.

    Called before a failure is attributed to the C, because sanitizers can fail for many reasons.
    """
    (folder / "nothing.c").write_text("int main(void)\n{\n    return 0;\n}\n", "utf-8")
    command = (find_compiler(), *SANITIZE, "nothing.c", "-o", "nothing")
    compile_c(command, folder)
    ran = run_program(
        (str(folder / "nothing"),), seconds=_SECONDS, variables=_VARIABLES, leashed=True
    )
    if ran.returncode == 0:
        return None
    said = ran.stderr.decode("utf-8", "replace")
    return limit_error("A program with sanitizers", ran.returncode, said) or ToolError(
        f"Programs with sanitizers do not run on this computer: {_first_error(said)}",
        "Run tflm-ext doctor, and check the shell's limits with ulimit -a.",
        output=said,
    )


def _operator(report: str) -> str | None:
    """Return the operator for which a sanitizer found an error, like "3 CONV_2D"."""
    match = re.search(r" in \w+?_op(\d+)_(\w+)", report)
    return f"{int(match[1])} {match[2].upper()}" if match else None


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = (line for line in lines if "error" in line.lower() or "Sanitizer" in line)
    return next(marked, lines[0] if lines else "no message")[:300]


def _split_trace(data: bytes) -> dict[int, list[bytes]]:
    tensors: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        tensor, size = np.frombuffer(data, "<i4", 2, at).tolist()
        tensors.setdefault(tensor, []).append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return tensors
