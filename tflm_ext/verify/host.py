"""Compile the generated C with sanitizers, and run it on this computer."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.emit.facts import ModelFacts
from tflm_ext.emit.files import RenderedFile
from tflm_ext.emit.render import render
from tflm_ext.errors import ToolError, VerificationError

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
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


@dataclass(frozen=True, slots=True)
class _HarnessView:
    name: str
    upper: str
    input_sizes: str
    output_sizes: str


@dataclass(frozen=True, slots=True)
class HostRun:
    """What the C computed.

    Attributes:
        outputs: per output of the model, an int8 array (vectors, size); empty when traced.
        tensors: by tensor number, the raw bytes per vector; empty when not traced.
    """

    outputs: tuple[Array, ...]
    tensors: dict[int, list[bytes]]


def find_compiler() -> str:
    """The C compiler of this computer: $CC, cc, gcc or clang.

    Raises:
        ToolError: there is none.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise ToolError(
        "No C compiler was found (looked for $CC, cc, gcc, clang).",
        "Install one, on Debian and Ubuntu with: sudo apt-get install gcc",
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

    Args:
        sources: the files of lib/<Name>/src/.
        inputs: per input of the model, an int8 array (vectors, ...).
        reset_each: put the state of recurrent operators back before each vector.
        trace: return every operator's output instead of the model's.

    Raises:
        ToolError: there is no compiler.
        VerificationError: it does not compile without a warning, a sanitizer reports, or the
            program fails.
    """
    compiler = find_compiler()
    with tempfile.TemporaryDirectory(prefix="tflm_ext_") as folder:
        root = Path(folder)
        for file in sources:
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        view = _HarnessView(
            name=facts.name,
            upper=facts.upper,
            input_sizes=", ".join(f"{b.size}U" for b in facts.inputs),
            output_sizes=", ".join(f"{b.size}U" for b in facts.outputs),
        )
        Path(root, "harness.c").write_text(render("test/host_harness.c.j2", view), "utf-8")
        units = [f.path for f in sources if f.path.endswith(".c")]
        command = (
            *(compiler, "-std=c99", "-O2", *WARNINGS, *_SANITIZE, "-I", "."),
            *((f"-D{facts.upper}_TRACE",) if trace else ()),
            *("harness.c", *units, "-o", "harness"),
        )
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")  # noqa: S603
        if done.returncode != 0:
            raise VerificationError(
                f"The generated C does not compile with {compiler}: {_first_error(done.stderr)}",
                "Run tflm-ext doctor; if the compiler is in order, this is a bug of tflm_ext.",
            )
        vectors = b"".join(
            part.tobytes() for vector in zip(*inputs, strict=True) for part in vector
        )
        program = (str(root / "harness"), "reset" if reset_each else "stream")
        ran = subprocess.run(program, input=vectors, capture_output=True)  # noqa: S603
        if ran.returncode != 0:
            report = ran.stderr.decode("utf-8", "replace")
            raise VerificationError(
                f"The C stopped with status {ran.returncode} on this computer: "
                f"{_first_error(report)}",
                "Do not use these files; export again, and report a bug if it happens again.",
            )
    count = len(inputs[0])
    if trace:
        return HostRun((), _split_trace(ran.stdout))
    sizes = [b.size for b in facts.outputs]
    table = np.frombuffer(ran.stdout, np.int8).reshape(count, sum(sizes))
    ends = np.cumsum(sizes).tolist()
    return HostRun(
        tuple(table[:, end - size : end] for size, end in zip(sizes, ends, strict=True)), {}
    )


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
