"""The boards: one .toml file per board in this folder, data without code."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from tflm_ext.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Board:
    """A microcontroller board.

    Attributes:
        name: how users refer to it; the name of the .toml file.
        title, url: its full name and its web page.
        core: the processor core, like "cortex-m4".
        clock_hz: clock frequency of the core.
        flash_bytes, ram_bytes: available to a program, including its framework.
        reserved_flash_bytes, reserved_ram_bytes: the part of it that the framework needs.
        stack_bytes: size of the stack on the emulated core.
        environment: name of the board's environment in platformio.ini.
        platform, platformio_board, framework: PlatformIO's names for them.
        machine_flags, common_flags, c_flags, cxx_flags: flags that its compilers are called with.
    """

    name: str
    title: str
    url: str
    core: str
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
    """All known boards, sorted by name.

    Example:
        >>> [board.name for board in boards()]
        ['nano33ble_sense']
    """
    import tomllib  # here, because --help does without them
    from importlib import resources

    files = (f for f in resources.files(__name__).iterdir() if f.name.endswith(".toml"))
    return tuple(
        _parse(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")))
        for file in sorted(files, key=lambda file: file.name)
    )


def board(name: str) -> Board:
    """The board of this name.

    Raises:
        ConfigError: no board has this name.

    Example:
        >>> board("nano33ble_sense").usable_ram_bytes
        196608
    """
    for known in boards():
        if known.name == name:
            return known
    raise ConfigError(
        f"There is no board {name!r}.", f"Choose one of: {', '.join(b.name for b in boards())}."
    )


def _parse(name: str, data: dict[str, Any]) -> Board:
    scalars = {key: value for key, value in data.items() if not isinstance(value, dict)}
    pio, flags = data["platformio"], data["flags"]
    return Board(
        name=name,
        **scalars,
        environment=pio["environment"],
        platform=pio["platform"],
        platformio_board=pio["board"],
        framework=pio["framework"],
        machine_flags=tuple(flags["machine"]),
        common_flags=tuple(flags["common"]),
        c_flags=tuple(flags["c"]),
        cxx_flags=tuple(flags["cxx"]),
    )
