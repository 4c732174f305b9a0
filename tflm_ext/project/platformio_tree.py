"""The PlatformIO side of a generated project: platformio.ini, the emulated core, the tests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tflm_ext.emit.ports import ElementsView, golden_tables, pointer_type
from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir.facts import GoldenVector, ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.parts import Parts
from tflm_ext.project.sensors import Sensor
from tflm_ext.targets import STDIO_BYTES, Board, Core


def qemu_arguments(core: Core) -> tuple[str, ...]:
    """Return QEMU's arguments for a core, without the program."""
    return (
        *("-machine", core.emulator.machine),
        *("-display", "none", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
    )


@dataclass(frozen=True, slots=True)
class _EmulatorView:
    core: Core
    title: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    stdio_bytes: int
    board_flash_bytes: int
    board_ram_bytes: int
    reserved_flash_bytes: int
    reserved_ram_bytes: int
    emulated_only: bool


@dataclass(frozen=True, slots=True)
class _BuilderView:
    core: Core
    machine_flags: str
    common_flags: str
    c_flags: str
    cxx_flags: str
    qemu_arguments: str


@dataclass(frozen=True, slots=True)
class _IniView:
    name: str
    library: str
    version: str
    title: str
    environment: str
    platform: str
    board: str
    framework: str
    core: Core
    core_platform: str
    core_board: str
    qemu_arguments: tuple[str, ...]
    for_board: bool
    emulated_only: bool
    sensor_library: str
    runtime: Any


@dataclass(frozen=True, slots=True)
class _TestView:
    name: str
    upper: str
    library: str
    input_type: str
    output_type: str


@dataclass(frozen=True, slots=True)
class _GoldenView:
    sha256: str
    version: str
    command: str
    inputs: tuple[Port, ...]
    input_type: str
    outputs: tuple[Port, ...]
    output_type: str
    golden: tuple[GoldenVector, ...]
    tables: tuple[ElementsView, ...]


def platformio_files(
    facts: ModelFacts, board: Board, parts: Parts, sensor: Sensor | None = None
) -> tuple[RenderedFile, ...]:
    """Return the files that `pio run` and `pio test` need in addition to lib/ and src/.

    Args:
        facts: the model, with at least one golden vector.
        board: determines environments and memory sizes.
        parts: what the runtime contributes.
        sensor: of the board, for the pipeline.

    Returns:
        platformio.ini, .gitignore, platforms/tflm_ext_<core>_<hash>/ and test/.
    """
    emulator = emulator_files(board)
    ini = _IniView(
        name=facts.name,
        library=facts.library,
        version=facts.version,
        title=board.title,
        environment=board.environment,
        platform=board.platform,
        board=board.platformio_board,
        framework=board.framework,
        core=board.core,
        core_platform=PurePosixPath(emulator[0].path).parts[1],
        core_board=_emulated_board(board.core),
        qemu_arguments=qemu_arguments(board.core),
        for_board=parts.for_board,
        emulated_only=board.emulated_only,
        sensor_library="" if sensor is None else sensor.lib_deps,
        runtime=parts.view,
    )
    ignored = "".join(f"{line}\n" for line in parts.ignored).encode()
    return (
        RenderedFile.text("platformio.ini", render(parts.template("platformio.ini.j2"), ini)),
        RenderedFile(".gitignore", verbatim("platformio/gitignore") + ignored),
        *emulator,
        *_test_files(facts),
    )


def emulator_files(board: Board) -> tuple[RenderedFile, ...]:
    """Return the development platform of the emulated core; its folder name has a digest.

    PlatformIO links a project's platform into its core folder, where only the folder's name tells
    platforms apart. With the digest, platforms of the same name are identical.
    """
    memory = _EmulatorView(
        core=board.core,
        title=board.title,
        flash_bytes=board.usable_flash_bytes,
        ram_bytes=board.usable_ram_bytes,
        stack_bytes=board.stack_bytes,
        stdio_bytes=STDIO_BYTES,
        board_flash_bytes=board.flash_bytes,
        board_ram_bytes=board.ram_bytes,
        reserved_flash_bytes=board.reserved_flash_bytes,
        reserved_ram_bytes=board.reserved_ram_bytes,
        emulated_only=board.emulated_only,
    )
    builder = _BuilderView(
        core=board.core,
        machine_flags=json.dumps(board.machine_flags),
        common_flags=json.dumps(board.common_flags),
        c_flags=json.dumps(board.c_flags),
        # No guards and no destructors at exit: there is one thread, and main() never returns.
        cxx_flags=json.dumps((*board.cxx_flags, "-fno-threadsafe-statics", "-fno-use-cxa-atexit")),
        qemu_arguments=json.dumps(qemu_arguments(board.core)),
    )
    files = (
        RenderedFile.text("platform.json", render("emulators/platform.json.j2", memory)),
        RenderedFile.text(
            f"boards/{_emulated_board(board.core)}.json", render("emulators/board.json.j2", memory)
        ),
        RenderedFile.text("builder/main.py", render("emulators/builder/main.py.j2", builder)),
        RenderedFile.text("linker.ld", render("emulators/linker.ld.j2", memory)),
        RenderedFile.text("startup.c", render("emulators/startup.c.j2", memory)),
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    folder = f"platforms/tflm_ext_{board.core.environment}_{digest.hexdigest()[:8]}"
    return tuple(RenderedFile(f"{folder}/{file.path}", file.content) for file in files)


def _emulated_board(core: Core) -> str:
    """Return PlatformIO's name of the emulated machine."""
    return core.emulator.machine.replace("-", "_")


def _test_files(facts: ModelFacts) -> tuple[RenderedFile, ...]:
    """Return what runs the tests, and the test of the model if there is one."""
    paths = ("test_custom_runner.py", "sanitize.py", "unity/unity.h", "unity/unity.c")
    runner = tuple(RenderedFile(f"test/{path}", verbatim(f"test/{path}")) for path in paths)
    return (*_model_test(facts), *runner) if facts.outputs else runner


def _model_test(facts: ModelFacts) -> tuple[RenderedFile, ...]:
    test = _TestView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        input_type=pointer_type(facts.inputs),
        output_type=pointer_type(facts.outputs),
    )
    golden = _GoldenView(
        sha256=facts.sha256,
        version=facts.version,
        command=facts.command,
        inputs=facts.inputs,
        input_type=pointer_type(facts.inputs),
        outputs=facts.outputs,
        output_type=pointer_type(facts.outputs),
        golden=facts.golden,
        tables=golden_tables(facts, facts.golden),
    )
    suite = "test/test_model"
    return (
        RenderedFile.text(f"{suite}/test_model.cpp", render("test/test_model.cpp.j2", test)),
        RenderedFile.text(f"{suite}/golden_vectors.h", render("test/golden_vectors.h.j2", golden)),
        RenderedFile.text(f"{suite}/golden_vectors.c", render("test/golden_vectors.c.j2", golden)),
    )
