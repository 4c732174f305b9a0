"""Measure the code of an exported model as the board's compiler makes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tflm_ext.boards import Board, board
from tflm_ext.errors import ToolError
from tflm_ext.project.names import library_name

COMPILER = "arm-none-eabi-gcc"

_EMPTY = "int main(void) { return 0; }\n"
_USE = """\
#include "{name}_model.h"

static {name}_context_t context;

int main(void)
{{
    (void){name}_init(&context);
    (void){name}_reset(&context);
    *{name}_input(&context, 0) = 1;
    return (int){name}_invoke(&context) + *{name}_output(&context, 0);
}}
"""


def measure_code(project: Path) -> int:
    """Bytes of code: the linked image with the model minus the same without it and the weights.

    Args:
        project: an exported project; the sources that lie there are compiled, with the flags of
            its board.

    Raises:
        ToolError: arm-none-eabi-gcc is missing or failed.
    """
    if shutil.which(COMPILER) is None:
        raise ToolError(f"{COMPILER} was not found.", "Install it: make system-packages")
    report = json.loads((project / "report.json").read_bytes())
    name = report["model"]["name"]
    sources = project / "lib" / library_name(name) / "src"
    flags = board(report["options"]["board"])
    with tempfile.TemporaryDirectory(prefix="tflm_ext-") as folder:
        here = Path(folder)
        include = ("-I", str(sources))
        objects = [
            _compile(flags, source, here / f"{i}.o", *include)
            for i, source in enumerate(sorted(sources.glob("*.c")))
        ]
        images = []
        for main, parts in ((_USE.format(name=name), objects), (_EMPTY, [])):
            (here / "main.c").write_text(main, encoding="utf-8")
            started = _compile(flags, here / "main.c", here / "main.o", *include)
            images.append(_image_bytes(flags, [started, *parts], here / "image.elf"))
    return images[0] - images[1] - int(report["flash"]["weight_bytes"])


def _compile(flags: Board, source: Path, target: Path, *options: str) -> Path:
    _run(
        *(COMPILER, *flags.machine_flags, *flags.common_flags, *flags.c_flags, *options),
        *("-c", str(source), "-o", str(target)),
    )
    return target


def _image_bytes(flags: Board, objects: list[Path], target: Path) -> int:
    """Bytes of flash of a program that starts at main and keeps what main needs."""
    _run(
        *(COMPILER, *flags.machine_flags, "-Os", "-nostartfiles", "--specs=nano.specs"),
        *("-Wl,--gc-sections,--entry=main", *map(str, objects), "-o", str(target)),
    )
    listing = _run("arm-none-eabi-size", str(target))
    text, data = listing.splitlines()[1].split()[:2]
    return int(text) + int(data)


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(
            f"{command[0]} failed on the code of the model.",
            "Export the project again; `tflm-ext doctor` checks the compiler.",
            command=command,
            output=result.stderr,
        )
    return result.stdout
