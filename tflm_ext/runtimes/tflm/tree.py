"""TFLM's sources in a project of runtime "tflm".

The board's environment uses TFLM's Arduino library at a pinned commit. For this computer and the
emulated core, the user names a folder with TFLM's sources, which the project wraps:

    lib/tflm/library.json     what to compile, and how
    lib/tflm/debug_log.cpp    output of the Arduino library's messages outside the board
    lib/tflm/tflm.py          stops a build without sources, with a one-line message
    lib/tflm/src              link to the sources; not one of the generated files
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tflm_ext.emit.render import render, verbatim
from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.near import did_you_mean_file
from tflm_ext.project.link import LINK

SOURCE_VARIABLE = "TFLM_EXT_TFLM_SOURCE"
ARDUINO_ADDRESS = "https://github.com/tensorflow/tflite-micro-arduino-examples"
ARDUINO_COMMIT = "7948b85e020470a30a83bf00e10fc43b486bfcba"
ARDUINO_ARCHIVE = f"{ARDUINO_ADDRESS}/archive/{ARDUINO_COMMIT}.zip"
UPSTREAM_ADDRESS = "https://github.com/tensorflow/tflite-micro"

# Passed by Arduino's builder. The library checks for ARDUINO where upstream checks for CMSIS_NN.
_ARDUINO_VERSION = 10819
ARDUINO_DEFINE = f"-DARDUINO={_ARDUINO_VERSION}"

_INTERPRETER = "tensorflow/lite/micro/micro_interpreter.h"
_COMMON = "tensorflow/lite/kernels/internal/common.h"
_KERNELS = "tensorflow/lite/micro/kernels"
_DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"

_SCHEMA = ("tensorflow/lite/schema/schema_generated.h", f"{_KERNELS}/kernel_util.h")
_HEADERS = {
    "flatbuffers": "flatbuffers/include/flatbuffers/flatbuffers.h",
    "gemmlowp": "gemmlowp/fixedpoint/fixedpoint.h",
    "ruy": "ruy/ruy/profiler/instrumentation.h",
}

# From the Arduino library, without files that need Arduino.h, and without AllOpsResolver.
_ARDUINO_SOURCES = (
    "+<src/tensorflow/>",
    "+<src/third_party/cmsis_nn/>",
    "-<src/tensorflow/lite/experimental/>",
    "-<src/tensorflow/lite/micro/system_setup.cpp>",
    "-<src/tensorflow/lite/micro/all_ops_resolver.cpp>",
    "+<debug_log.cpp>",
)
_UPSTREAM_SOURCES = (
    "+<src/tensorflow/>",
    "-<src/tensorflow/lite/experimental/>",
    "-<src/tensorflow/lite/micro/>",
    "+<src/tensorflow/lite/micro/*.c*>",
    "+<src/tensorflow/lite/micro/arena_allocator/*.c*>",
    "+<src/tensorflow/lite/micro/memory_planner/*.c*>",
    "+<src/tensorflow/lite/micro/tflite_bridge/*.c*>",
    "+<src/tensorflow/lite/micro/kernels/*.c*>",
    "-<src/tensorflow/**/*_test.c*>",
    "-<src/tensorflow/**/*_test_*.c*>",
)
# The first flag changes layouts, so the whole program must use it. The second one makes gemmlowp
# use portable code.
_UPSTREAM_DEFINES = ("-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_DISABLE_X86_NEON")
_CMSIS_NN_DEFINES = ("-DCMSIS_NN", "-DKERNELS_OPTIMIZED_FOR_SPEED")

# `pio test` adds these. TFLM is compiled without them, once for both the program and its tests.
_UNFLAGS = (
    *("-DUNIT_TEST", "-DPIO_UNIT_TESTING"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"),
)


class Flavour(enum.Enum):
    """Origin of the sources: flavours differ in file names, flags and DebugLog's arguments."""

    ARDUINO = "Arduino library"
    UPSTREAM = "tflite-micro"


@dataclass(frozen=True, slots=True)
class TflmTree:
    """A folder with TensorFlow Lite Micro's sources on this computer.

    Attributes:
        root: target of lib/tflm/src, absolute; contains tensorflow/lite/micro.
        flavour: Arduino library or upstream.
        standard: the C++ standard that its headers need.
        include_folders: relative to root; "" is root itself.
        source_filter: PlatformIO's srcFilter, relative to lib/tflm.
        program_flags: for all files of a program, because headers or layouts depend on them.
        library_flags: for TFLM's own files only.
        cmsis_nn: whether it has CMSIS-NN's kernels for Cortex-M.
    """

    root: Path
    flavour: Flavour
    standard: str
    include_folders: tuple[str, ...]
    source_filter: tuple[str, ...]
    program_flags: tuple[str, ...]
    library_flags: tuple[str, ...]
    cmsis_nn: bool


@dataclass(frozen=True, slots=True)
class ArduinoLibrary:
    """Where to get TFLM's Arduino library, for texts.

    Attributes:
        address, commit: of its repository.
        archive: address of a .zip of that commit, which the Arduino IDE can install.
    """

    address: str = ARDUINO_ADDRESS
    commit: str = ARDUINO_COMMIT
    archive: str = ARDUINO_ARCHIVE


@dataclass(frozen=True, slots=True)
class TflmSettings:
    """Settings for TFLM in platformio.ini.

    Attributes:
        lib_deps: the board's library, pinned; "" for a project without the board.
        flags, unflags: for this computer and the emulated core; empty without sources.
    """

    lib_deps: str
    flags: tuple[str, ...] = ()
    unflags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _ScriptView:
    """Variables of tflm.py; `arduino` is the value of ARDUINO, None for upstream."""

    link: str
    interpreter: str
    problem: str
    get: tuple[str, ...]
    remedy: str
    arduino: int | None


def read_tree(folder: str | os.PathLike[str]) -> TflmTree:
    """Inspect a folder with TFLM's sources, using its files only.

    Args:
        folder: a clone or copy of the Arduino library, or of tflite-micro with its downloads, or
            the output of create_tflm_tree.py.

    Raises:
        ConfigError: the folder is none of these, or headers of other projects are missing.
    """
    root = Path(os.path.abspath(Path(folder).expanduser()))
    for arduino in (root, root / "src"):
        if os.path.isfile(arduino / "TensorFlowLite.h") and os.path.isfile(arduino / _INTERPRETER):
            return _arduino_tree(arduino)
    if os.path.isfile(root / _INTERPRETER):
        return _upstream_tree(root)
    raise ConfigError(
        f"{folder} does not contain TensorFlow Lite Micro."
        if os.path.isdir(root)
        else f"The folder {folder} does not exist.",
        ("" if os.path.isdir(root) else did_you_mean_file(Path(folder)))
        + f"Pass a clone of {ARDUINO_ADDRESS} at commit {ARDUINO_COMMIT[:7]}, or of "
        f"{UPSTREAM_ADDRESS} with its downloads.",
    )


def require_complete(tree: TflmTree) -> None:
    """Require everything that a program with all of the tree's kernels is compiled from.

    Raises:
        ConfigError: folders or headers are missing; names them.
    """
    chosen = [entry for entry in tree.source_filter if entry.startswith("+<src/")]
    needed = [*_SCHEMA, *(entry.removeprefix("+<src/").removesuffix(">") for entry in chosen)]
    if tree.flavour is Flavour.ARDUINO:
        needed += [f"third_party/{header}" for header in _HEADERS.values()]
    missing = [part for part in needed if not _present(tree.root, part)]
    if missing:
        raise ConfigError(
            f"{tree.root} is incomplete: it lacks {', '.join(missing[:4])}"
            f"{f' and {len(missing) - 4} more' if len(missing) > 4 else ''}.",
            f"Clone it again, completely, from "
            f"{ARDUINO_ADDRESS if tree.flavour is Flavour.ARDUINO else UPSTREAM_ADDRESS}.",
        )


def _present(root: Path, part: str) -> bool:
    """Whether a file, a folder with files, or any file of a pattern is there."""
    if "*" in part:
        return next(root.glob(part), None) is not None
    place = root / part
    return place.is_file() or (place.is_dir() and any(place.iterdir()))


def find_tree(
    source: str | os.PathLike[str] | None = None, project: Path | None = None
) -> TflmTree | None:
    """Find TFLM's sources: from the caller, the environment, or an earlier export, in this order.

    Args:
        source: tflm_source, as passed by the user.
        project: a folder that may contain an earlier export.

    Raises:
        ConfigError: the folder does not contain TFLM's sources.
    """
    chosen = source or os.environ.get(SOURCE_VARIABLE)
    if not chosen and project is not None:
        chosen = linked_tree(project)
    return read_tree(chosen) if chosen else None


def tflm_settings(tree: TflmTree | None, *, for_board: bool = True) -> TflmSettings:
    """Return the settings for platformio.ini, with or without sources and board."""
    lib_deps = f"{ARDUINO_ADDRESS}.git#{ARDUINO_COMMIT}" if for_board else ""
    if tree is None:
        return TflmSettings(lib_deps)
    includes = (f"{LINK}/{folder}".rstrip("/") for folder in tree.include_folders)
    flags = (f"-std={tree.standard}", *tree.program_flags, *(f"-isystem {i}" for i in includes))
    unflags = () if tree.standard == "gnu++14" else ("-std=gnu++14",)
    return TflmSettings(lib_deps, flags, unflags)


def tree_files(tree: TflmTree | None) -> tuple[RenderedFile, ...]:
    """Return lib/tflm/ without the link; equal on all computers that have the same sources."""
    if tree is None:
        problem = "this project was exported without a source of it"
        remedy = f"export it again with {SOURCE_VARIABLE}=<its folder>"
    else:
        problem = f"{LINK} is a broken link"
        folder = "its folder src" if tree.flavour is Flavour.ARDUINO else "it"
        remedy = f"link {LINK} to {folder}"
    arduino = tree is not None and tree.flavour is Flavour.ARDUINO
    view = _ScriptView(
        link=LINK,
        interpreter=_INTERPRETER,
        problem=problem,
        get=_get(tree),
        remedy=remedy,
        arduino=_ARDUINO_VERSION if arduino else None,
    )
    files = [RenderedFile.text("lib/tflm/tflm.py", render("runtimes/tflm/tflm.py.j2", view))]
    if tree is not None:
        files.append(RenderedFile.text("lib/tflm/library.json", _library_json(tree)))
    if arduino:
        content = verbatim("runtimes/tflm/debug_log.cpp")
        files.append(RenderedFile("lib/tflm/debug_log.cpp", content))
    return tuple(files)


def linked_tree(project: Path) -> Path | None:
    """Return the sources that an earlier export linked to; None if they no longer exist."""
    link = project / LINK
    return link.resolve() if (link / _INTERPRETER).is_file() else None


def _arduino_tree(root: Path) -> TflmTree:
    return TflmTree(
        root=root,
        flavour=Flavour.ARDUINO,
        standard=_standard(root),
        include_folders=("",),
        source_filter=_ARDUINO_SOURCES,
        program_flags=(),
        # Not for the program, which would expect Arduino.h.
        library_flags=(ARDUINO_DEFINE, "-DTF_LITE_USE_CTIME"),
        cmsis_nn=(root / "third_party/cmsis_nn/Include/arm_nnfunctions.h").is_file(),
    )


def _upstream_tree(root: Path) -> TflmTree:
    places = (_DOWNLOADS, "third_party")
    missing = {
        place: [name for name, header in _HEADERS.items() if not (root / place / header).is_file()]
        for place in places
    }
    others = min(places, key=lambda place: len(missing[place]))
    if missing[others]:
        raise ConfigError(
            f"{root} lacks headers of {', '.join(missing[others])}.",
            "In that folder, run: make -f tensorflow/lite/micro/tools/make/Makefile "
            "OPTIMIZED_KERNEL_DIR=cmsis_nn third_party_downloads",
        )
    kernels = sorted(path.name for path in (root / _KERNELS / "cmsis_nn").glob("*.c*"))
    headers_there = (root / others / "cmsis_nn/Include/arm_nnfunctions.h").is_file()
    cmsis_nn = headers_there and bool(kernels)
    includes = [*("", f"{others}/flatbuffers/include", f"{others}/gemmlowp", f"{others}/ruy")]
    source_filter = [*_UPSTREAM_SOURCES]
    if cmsis_nn:
        includes += [f"{others}/cmsis_nn", f"{others}/cmsis_nn/Include"]
        source_filter += _cmsis_nn_sources(others, kernels)
    return TflmTree(
        root=root,
        flavour=Flavour.UPSTREAM,
        standard=_standard(root),
        include_folders=tuple(includes),
        source_filter=tuple(source_filter),
        program_flags=_UPSTREAM_DEFINES + (_CMSIS_NN_DEFINES if cmsis_nn else ()),
        library_flags=("-DTF_LITE_USE_CTIME",),
        cmsis_nn=cmsis_nn,
    )


def _cmsis_nn_sources(others: str, kernels: list[str]) -> Iterator[str]:
    """Return filters that replace portable kernels with CMSIS-NN's; without float."""
    yield from (f"-<src/{_KERNELS}/{name}>" for name in kernels)
    yield f"+<src/{_KERNELS}/cmsis_nn/*.c*>"
    yield f"+<src/{others}/cmsis_nn/Source/**/*.c>"  # the .cpp files are a Python module
    yield from (f"-<src/{others}/cmsis_nn/Source/**/*{end}.c>" for end in ("_f16", "_f32", "_flt"))


def _standard(root: Path) -> str:
    """Return C++17 if the headers use its variable templates, else the board's standard."""
    try:
        text = (root / _COMMON).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{root / _COMMON} cannot be read.", "Download TensorFlow Lite Micro again."
        ) from error
    return "gnu++17" if "std::is_integral_v<" in text else "gnu++14"


def _library_json(tree: TflmTree) -> str:
    """Return PlatformIO's manifest of the wrapped sources, which are not changed.

    srcDir is the folder that contains the link, because an absolute path would be valid on this
    computer only. platformio.ini adds the include folders, as system headers.
    """
    manifest = {
        "name": "tflm",
        "version": "0.0.0",
        "description": "TensorFlow Lite Micro on this computer; src is a link to it",
        "build": {
            "srcDir": ".",
            "includeDir": "src",
            "srcFilter": list(tree.source_filter),
            # With exceptions, TFLM's placement new needs an operator delete that is private.
            "flags": ["-w", "-fno-exceptions", *tree.library_flags],
            "unflags": list(_UNFLAGS),
            "libLDFMode": "off",
        },
    }
    return json.dumps(manifest, indent=2) + "\n"


def _get(tree: TflmTree | None) -> tuple[str, ...]:
    """Return how to get such sources, in short lines."""
    if tree is not None and tree.flavour is Flavour.UPSTREAM:
        return (f"clone {UPSTREAM_ADDRESS} with its downloads",)
    return (f"clone {ARDUINO_ADDRESS} ", f"and check out {ARDUINO_COMMIT}")
