"""Compiles TensorFlow Lite Micro from the user's sources for the emulated core, and caches it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from tflm_ext.bench.emulator import C_COMPILER, Library, compile_all
from tflm_ext.bench.tools import run_tool
from tflm_ext.emit.render import templates_folder
from tflm_ext.runtimes.tflm.tree import (
    ARDUINO_DEFINE,
    Flavour,
    TflmTree,
)
from tflm_ext.scratch import scratch_folder
from tflm_ext.targets import Board

_ENDINGS = ("c", "cc", "cpp")


def tflm_library(
    tree: TflmTree, board: Board, flags: Sequence[str], progress: Callable[[str], None]
) -> Library:
    """Return the compiled library, from the user's cache folder if nothing has changed.

    Args:
        tree: the sources.
        board: determines the core and the flags.
        flags: compiler flags after the board's.
        progress: called with the name of each file.

    Raises:
        ToolError: it does not compile.
        OSError: the sources cannot be read, or the cache cannot be written.
    """
    includes = (str(tree.root / folder) for folder in tree.include_folders)
    program = (
        *(f"-std={tree.standard}", *tree.program_flags),
        *(word for folder in includes for word in ("-isystem", folder)),
    )
    # The Arduino library declares its int8 kernels only if ARDUINO is defined.
    own = (*program, *((ARDUINO_DEFINE,) if tree.flavour is Flavour.ARDUINO else ()))
    units = _units(tree, flags, program)
    archive = _cache() / f"{_digest(tree, board, units)}.a"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(archive.parent) as scratch:
            done = 0

            def count(name: str) -> None:
                nonlocal done
                done += 1
                progress(f"compiling TensorFlow Lite Micro: {done} of {len(units)}, {name}")

            objects = compile_all(board, units, scratch, count)
            new = scratch / "new.a"
            run_tool(("arm-none-eabi-gcc-ar", "rcs", str(new), *map(str, objects)))
            os.replace(new, archive)
    return Library(archive, own, "runtimes/tflm/measure.c.j2")


def _units(
    tree: TflmTree, flags: Sequence[str], program: Sequence[str]
) -> list[tuple[Path, tuple[str, ...]]]:
    """Return the files that PlatformIO would compile, and their flags."""
    from platformio.fs import match_src_files

    common = ("-w", *flags, *tree.library_flags)
    with scratch_folder() as folder:  # the filter refers to src/
        (folder / "src").symlink_to(tree.root, target_is_directory=True)
        chosen = match_src_files(str(folder), list(tree.source_filter), _ENDINGS)
    units = []
    for name in chosen:
        path = tree.root / Path(name).relative_to("src")
        language = program if path.suffix != ".c" else [w for w in program if "-std=" not in w]
        units.append((path, (*common, *language)))
    if tree.flavour is Flavour.ARDUINO:
        path = templates_folder() / "runtimes" / "tflm" / "debug_log.cpp"
        units.append((path, (*common, *program)))
    return units


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("tflm_ext")) / "tflm"


def _digest(tree: TflmTree, board: Board, units: Sequence[tuple[Path, tuple[str, ...]]]) -> str:
    """Return a digest of everything that the archive depends on; for files, size and time."""
    digest = hashlib.sha256(run_tool((C_COMPILER, "--version")).encode())
    digest.update(repr((board.machine_flags, board.common_flags, board.cxx_flags)).encode())
    for path, flags in units:
        digest.update(repr((str(path), flags)).encode())
    for folder, folders, files in os.walk(tree.root):
        folders.sort()
        for name in sorted(files):
            if name.endswith((".h", ".c", ".cc", ".cpp", ".hpp", ".inc")):
                status = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
