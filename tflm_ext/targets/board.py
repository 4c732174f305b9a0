"""Boards: one .toml file each in boards/, or a file of the user's own."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean, did_you_mean_file, nearest
from tflm_ext.options import DEFAULT_BOARD
from tflm_ext.targets.core import MACHINE_BYTES, Core, core, cores

_NUMBERS = (
    "clock_hz",
    "flash_bytes",
    "ram_bytes",
    "reserved_flash_bytes",
    "reserved_ram_bytes",
    "stack_bytes",
)
_PLATFORMIO = ("environment", "platform", "board", "framework")
_FLAGS = ("machine", "common", "c", "cxx")
_SENSORS = ("motion", "microphone", "environment")
STDIO_BYTES = 4096
"""Heap of the emulated core, where newlib allocates its FILEs and buffers; reserved RAM."""

_HOW = "docs/how-to/add-a-board.md describes the file."


@dataclass(frozen=True, slots=True)
class Board:
    """A microcontroller board, or an emulated core without a board; sizes in bytes.

    Attributes:
        name: how users refer to it; the name of the .toml file.
        title, url: its full name and its web page.
        core: its processor core.
        clock_hz: clock frequency of the core.
        flash_bytes, ram_bytes: memory available to a program, including its framework.
        reserved_flash_bytes, reserved_ram_bytes: the framework's share of it.
        stack_bytes: stack of the emulated core.
        environment: name of the board's environment in platformio.ini.
        platform, platformio_board, framework: PlatformIO's names; "" without a board.
        machine_flags: compiler flags that select the core and its floating-point unit.
        common_flags, c_flags, cxx_flags: of the framework's compilers.
        sensors: of those of the Nano 33 BLE Sense, for which there are drivers: "motion",
            "microphone", "environment".
        source: text of the file, if it is the user's own.
    """

    name: str
    title: str
    url: str
    core: Core
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    reserved_flash_bytes: int
    reserved_ram_bytes: int
    stack_bytes: int
    environment: str
    platform: str
    platformio_board: str
    framework: str
    machine_flags: tuple[str, ...]
    common_flags: tuple[str, ...]
    c_flags: tuple[str, ...]
    cxx_flags: tuple[str, ...]
    sensors: tuple[str, ...] = ()
    source: str | None = field(default=None, repr=False)

    @property
    def emulated_only(self) -> bool:
        """Whether there is only the emulated core, with all memory of its machine."""
        return not self.platformio_board

    @property
    def usable_flash_bytes(self) -> int:
        """Flash left for the user's program."""
        return self.flash_bytes - self.reserved_flash_bytes

    @property
    def usable_ram_bytes(self) -> int:
        """RAM left for the user's program, after stack and heap of the framework."""
        return self.ram_bytes - self.reserved_ram_bytes


@functools.cache
def boards() -> tuple[Board, ...]:
    """Return all boards that come with tflm_ext, sorted by name.

    Example:
        >>> DEFAULT_BOARD in [board.name for board in boards()]
        True
    """
    folder = resources.files(__package__).joinpath("boards")
    files = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    return tuple(
        _parse(file.name.removesuffix(".toml"), tomllib.loads(file.read_text("utf-8")), None)
        for file in sorted(files, key=lambda file: file.name)
    )


def default_board() -> Board:
    """Return the board that is used unless the user names one."""
    return board(DEFAULT_BOARD)


def board(name: str | None) -> Board:
    """Return the board with this name, or the one in a .toml file.

    Args:
        name: a name listed by `tflm-ext boards`, or the path of a .toml file; the name of a core,
            like "cortex-m7", for the emulated core without a board; None or "none" for that of the
            default board.

    Raises:
        ConfigError: no board has this name, or the file does not describe one.

    Example:
        >>> board("nano33ble_sense").usable_ram_bytes
        196608
    """
    if name is None or (isinstance(name, str) and name == "none"):
        return _machine(default_board().core)
    if not isinstance(name, str):
        raise ConfigError(
            f"board={name!r} is not the name of a board.",
            "Pass a name that `tflm-ext boards` lists, the path of a .toml file as text, or None.",
        )
    if name.endswith(".toml"):
        return _from_file(Path(name))
    for own in cores():
        if own.name == name:
            return _machine(own)
    for known in boards():
        if known.name == name:
            return known
    names = [known.name for known in boards()]
    others = ["none", *(own.name for own in cores())]
    raise ConfigError(
        f"There is no board {name!r}.",
        f"{did_you_mean(name, [*names, *others])}Choose one of: {', '.join(names)}; or describe "
        "yours in a file, and pass --board FILE.toml; or pass --board none.",
    )


def _machine(own: Core) -> Board:
    """Return a core's emulated machine in place of a board; compiled as for a board of the core."""
    like = next(board for board in boards() if board.core is own)
    return replace(
        like,
        name=own.name,
        title=f"emulated {own.title}",
        url="",
        flash_bytes=MACHINE_BYTES,
        ram_bytes=MACHINE_BYTES,
        reserved_flash_bytes=0,
        reserved_ram_bytes=like.stack_bytes + STDIO_BYTES,
        environment="",
        platform="",
        platformio_board="",
        framework="",
        sensors=(),
    )


def _from_file(path: Path) -> Board:
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError as error:
        near = did_you_mean_file(path, (".toml",))
        raise ConfigError(f"The board file {path} does not exist.", f"{near}{_HOW}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"The board file {path} cannot be read: {error}.", _HOW) from error
    problem = _problem(path.stem, data)
    if problem is not None:
        raise ConfigError(f"The board file {path} {problem}.", _HOW)
    return _parse(path.stem, data, text)


def _problem(name: str, data: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a user's file; None if it describes a board."""
    if not name.replace("_", "a").isalnum() or not name.isascii():
        return "needs a name of letters, digits and underscores"
    wanted: dict[str, Any] = {"title": str, "url": str, "core": str, **dict.fromkeys(_NUMBERS, int)}
    wanted |= {f"platformio.{key}": str for key in _PLATFORMIO}
    wanted |= {f"flags.{key}": list for key in _FLAGS}
    flat = {key: value for key, value in data.items() if not isinstance(value, dict)}
    sensors = flat.pop("sensors", [])
    if not isinstance(sensors, list) or any(one not in _SENSORS for one in sensors):
        known = ", ".join(f'"{one}"' for one in _SENSORS)
        return f"has sensors = {sensors!r:.80}, which is not a list of some of {known}"
    for table, value in data.items():
        if isinstance(value, dict):
            flat |= {f"{table}.{key}": inner for key, inner in value.items()}
    unknown = sorted(flat.keys() - wanted.keys())
    if missing := sorted(wanted.keys() - flat.keys()):
        similar = nearest(missing[0], unknown)
        instead = f", but has the unknown key {similar}" if similar is not None else ""
        return f"lacks the key {missing[0]}{instead}"
    if unknown:
        return f"has the unknown key {unknown[0]}"
    for key, kind in wanted.items():
        value = flat[key]
        if type(value) is not kind or (kind is list and not all(type(v) is str for v in value)):
            what = {str: "text", int: "a whole number", list: "a list of texts"}[kind]
            return f"has {key} = {value!r}, which is not {what}"
        if kind is int and not 0 < value < 1 << 31 and not key.startswith("reserved"):
            return f"has {key} = {value}, which is out of range"
        if kind is str and (not value.isprintable() or not value):
            return f"has {key} = {value!r}, which is not plain text"
    words = [flat[f"platformio.{key}"] for key in _PLATFORMIO]
    flags = [flag for key in _FLAGS for flag in flat[f"flags.{key}"]]
    for word in (*words, *flags):
        if not word or not all(c.isalnum() or c in "-_+=./@:" for c in word):
            return f"has the flag or name {word!r}, which is not a plain word"
    for memory in ("flash", "ram"):
        if not 0 <= flat[f"reserved_{memory}_bytes"] < flat[f"{memory}_bytes"]:
            return f"reserves more {memory} than the board has"
    return None


def _parse(name: str, data: Mapping[str, Any], source: str | None) -> Board:
    pio, flags = data["platformio"], data["flags"]
    own = core(data["core"])
    return Board(
        name=name,
        title=data["title"],
        url=data["url"],
        core=own,
        **{key: data[key] for key in _NUMBERS},
        environment=pio["environment"],
        platform=pio["platform"],
        platformio_board=pio["board"],
        framework=pio["framework"],
        machine_flags=(*own.compiler_flags, *flags["machine"]),
        common_flags=tuple(flags["common"]),
        c_flags=tuple(flags["c"]),
        cxx_flags=tuple(flags["cxx"]),
        sensors=tuple(data.get("sensors", ())),
        source=source,
    )
