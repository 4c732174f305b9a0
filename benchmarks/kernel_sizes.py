"""Measure the code of every kernel on a Cortex-M4 and write tflm_ext/plan/kernel_sizes.toml.

Each kernel is compiled on its own, not specialised for any layer, with every helper that it calls.
Run it after a kernel was added or changed: make kernel-sizes
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tflm_ext.emit.render import templates_folder
from tflm_ext.ops import OPERATORS

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tflm_ext" / "plan" / "kernel_sizes.toml"
COMPILER = "arm-none-eabi-gcc"
FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2", "-std=c99")

# Measured on the five models of MLPerf Tiny: what a call, its parameters and the entry points add.
CALL_BYTES, ENTRY_BYTES = 96, 200


def kernels() -> dict[str, str]:
    """Kernel name to header, over all operators."""
    return {k.name: k.header for operator in OPERATORS for k in operator.kernels}


def wrapper(name: str, header: str) -> str:
    """A C file with one external function that calls the kernel."""
    text = (templates_folder() / "kernels" / header).read_text("utf-8")
    found = re.search(rf"static (?:inline )?void\s+tflm_ext_{name}\(([^)]*)\)", text)
    if found is None:
        raise SystemExit(f"{header} does not define tflm_ext_{name}")
    parameters = " ".join(found.group(1).split())
    names = ", ".join(re.findall(r"(\w+)(?:,|$)", parameters))
    return (
        f'#include "{header}"\nvoid measured({parameters});\n'
        f"void measured({parameters}) {{ tflm_ext_{name}({names}); }}\n"
    )


def code_size(name: str, header: str) -> int:
    """Bytes of .text and read-only data of one kernel."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.c")
        source.write_text(wrapper(name, header), "utf-8")
        include = ("-I", str(templates_folder() / "kernels"))
        subprocess.run(
            (COMPILER, *FLAGS, *include, "-c", str(source), "-o", f"{folder}/kernel.o"), check=True
        )
        listing = subprocess.run(
            ("arm-none-eabi-size", f"{folder}/kernel.o"), check=True, capture_output=True, text=True
        )
    return int(listing.stdout.splitlines()[1].split()[0])


def compiler_name() -> str:
    """Name and version of the compiler, as the table states it."""
    version = subprocess.run(
        (COMPILER, "-dumpfullversion"), check=True, capture_output=True, text=True
    )
    return f"{COMPILER} {version.stdout.strip()} -O2"


def table() -> str:
    """The file's text."""
    rows = {name: code_size(name, header) for name, header in sorted(kernels().items())}
    lines = [
        "# Bytes of code on a Cortex-M4; `make kernel-sizes` measures them again.",
        f'compiler = "{compiler_name()}"',
        "",
        "[bytes]",
        f"entry = {ENTRY_BYTES}",
        f"call = {CALL_BYTES}",
        *(f"{name} = {size}" for name, size in rows.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(table(), "utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
