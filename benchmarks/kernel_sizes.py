"""Measure the code of every kernel for a core and write tflm_ext/targets/cores/*/sizes.toml.

Each kernel is compiled on its own, not specialised for any layer, with every helper that it calls.
Run it after a kernel was added or changed: make kernel-sizes [CORE=name]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from tflm_ext.emit.render import templates_folder
from tflm_ext.kernels import KERNELS
from tflm_ext.targets import Core, cores
from tflm_ext.targets import core as find_core

ROOT = Path(__file__).resolve().parents[1]
CORES = ROOT / "tflm_ext" / "targets" / "cores"
COMPILER = "arm-none-eabi-gcc"

# From the models of `make bench`: what the entry points and what they need of the C library take,
# and a call; up to which size a kernel becomes part of each of its callers; what is left of one
# that does, its parameters being constants, and of one with a single caller that stays a function.
ENTRY_BYTES, CALL_BYTES, INLINED_BYTES, ADAPTED_SHARE, ALONE_SHARE = 720, 16, 250, 0.61, 0.75


def kernels() -> dict[str, str]:
    """Kernel name to header, over all operators."""
    return {k.name: k.header for own in KERNELS.values() for k in own}


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


def flags_of(core: Core) -> tuple[str, ...]:
    """What the kernels are compiled with."""
    floats = (f"-mfpu={core.fpu}", "-mfloat-abi=hard") if core.fpu else ()
    return (*core.compiler_flags, *floats, "-O2", "-std=c99")


def measured(core: Core, name: str, header: str) -> tuple[int, dict[str, int]]:
    """Bytes of .text and read-only data of one kernel; of these, functions not inlined."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.c")
        source.write_text(wrapper(name, header), "utf-8")
        include = ("-I", str(templates_folder() / "kernels"))
        subprocess.run(
            (COMPILER, *flags_of(core), *include, "-c", str(source), "-o", f"{folder}/kernel.o"),
            check=True,
        )
        listing = output("arm-none-eabi-size", f"{folder}/kernel.o")
        symbols = output("arm-none-eabi-nm", "-S", f"{folder}/kernel.o")
    functions = re.findall(r"^\w+ (\w+) t (tflm_ext_\w+)$", symbols, re.MULTILINE)
    return int(listing.splitlines()[1].split()[0]), {f: int(size, 16) for size, f in functions}


def output(*command: str) -> str:
    """What a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compiler_name() -> str:
    """Name and version of the compiler, as the table states it."""
    return f"{COMPILER} {output(COMPILER, '-dumpfullversion').strip()} -O2"


def table(core: Core) -> str:
    """The file's text."""
    rows = {name: measured(core, name, header) for name, header in sorted(kernels().items())}
    users = Counter(function for _, functions in rows.values() for function in functions)
    shared = {f: size for _, found in rows.values() for f, size in found.items() if users[f] > 1}
    uses = {
        name: sorted(found.keys() & shared.keys())
        for name, (_, found) in rows.items()
        if found.keys() & shared.keys()
    }
    lines = [
        f"# Bytes of code on a {core.title}; `make kernel-sizes CORE={core.name}` measures them.",
        f'compiler = "{compiler_name()}"',
        f"entry = {ENTRY_BYTES}",
        f"call = {CALL_BYTES}",
        f"inlined = {INLINED_BYTES}",
        f"adapted = {ADAPTED_SHARE}",
        f"alone = {ALONE_SHARE}",
        "# Kernels that stay functions, TFLM_EXT_SHARED.",
        f"functions = {json.dumps([n for n, row in rows.items() if f'tflm_ext_{n}' in row[1]])}",
        "",
        "# Of each kernel, without the functions that it shares with others.",
        "[bytes]",
        *(
            f"{name} = {size - sum(shared[f] for f in uses.get(name, ()))}"
            for name, (size, _) in rows.items()
        ),
        "",
        "[shared]",
        *(f"{function} = {size}" for function, size in sorted(shared.items())),
        "",
        "[uses]",
        *(f"{name} = {json.dumps(functions)}" for name, functions in uses.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the code of every kernel.")
    parser.add_argument("--core", help="only this one, instead of every core")
    chosen = parser.parse_args().core
    for own in cores() if chosen is None else [find_core(chosen)]:
        target = CORES / own.name / "sizes.toml"
        target.write_text(table(own), "utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
