"""The data of the boards."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tflm_ext.errors import ConfigError
from tflm_ext.targets import Board, Core, board, boards, core, cores


def test_the_nano() -> None:
    nano = board("nano33ble_sense")
    assert (nano.flash_bytes, nano.ram_bytes, nano.clock_hz) == (983_040, 262_144, 64_000_000)
    assert (nano.usable_flash_bytes, nano.usable_ram_bytes) == (884_736, 196_608)
    assert (nano.platform, nano.platformio_board, nano.framework) == (
        "nordicnrf52",
        "nano33ble",
        "arduino",
    )


def test_an_unknown_board() -> None:
    with pytest.raises(ConfigError) as caught:
        board("uno")
    names = ", ".join(known.name for known in boards())
    assert str(caught.value) == (
        f"There is no board 'uno'.\nChoose one of: {names}; or describe yours in a file, and"
        " pass --board FILE.toml; or pass --board none."
    )


@pytest.mark.parametrize("known", boards(), ids=lambda known: known.name)
def test_every_board_leaves_something_to_a_program(known: Board) -> None:
    assert known.core in cores()
    assert known.usable_flash_bytes > 0
    assert known.usable_ram_bytes > 0
    assert 0 < known.stack_bytes < known.reserved_ram_bytes


def test_an_unknown_core() -> None:
    with pytest.raises(ConfigError, match="There is no core 'z80'"):
        core("z80")


@pytest.mark.parametrize("known", cores(), ids=lambda known: known.name)
def test_every_core_has_its_tables(known: Core) -> None:
    assert known.costs["compiler"] and known.sizes["compiler"]
    assert ("cycles" in known.costs["several"]) == (known.cycle_model is not None)
    assert known.compiler_flags[0] == f"-mcpu={known.name}"


NANO = (
    resources.files("tflm_ext.targets").joinpath("boards/nano33ble_sense.toml").read_text("utf-8")
)


def test_a_board_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my_board.toml"
    path.write_text(NANO.replace("64_000_000", "32_000_000"), "utf-8")
    mine, nano = board(str(path)), board("nano33ble_sense")
    assert (mine.name, mine.clock_hz, mine.core) == ("my_board", 32_000_000, nano.core)
    assert mine.machine_flags == nano.machine_flags
    assert mine.source == path.read_text("utf-8")
    assert nano.source is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("clock_hz = 64_000_000\n", "", "lacks the key clock_hz"),
        (
            "clock_hz = 64_000_000",
            "clock_hz = 6.4e7",
            "clock_hz = 64000000.0, which is not a whole",
        ),
        (
            "clock_hz = 64_000_000",
            "clock_hz = true",
            "clock_hz = True, which is not a whole number",
        ),
        ("clock_hz = 64_000_000", "clock_hz = -1", "clock_hz = -1, which is out of range"),
        ("clock_hz = 64_000_000", "clock_hz = 1\nspeed = 2", "has the unknown key speed"),
        ('core = "cortex-m4"', 'core = "z80"', "There is no core 'z80'."),
        ('framework = "arduino"', 'framework = "a\\nb"', "which is not plain text"),
        ('framework = "arduino"', 'framework = "a b; c"', "which is not a plain word"),
        ('c = ["-std=gnu11"]', 'c = "-std=gnu11"', "which is not a list of texts"),
        (
            'c = ["-std=gnu11"]',
            'c = ["$(id)"]',
            "has the flag or name '$(id)', which is not a plain word",
        ),
        ("reserved_ram_bytes = 65_536", "reserved_ram_bytes = 999_999", "reserves more ram than"),
        ('title = "', "title = ", "cannot be read"),
    ],
)
def test_a_file_that_describes_no_board(old: str, new: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert old in NANO
    path.write_text(NANO.replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        board(str(path))
    assert problem in caught.value.problem


def test_a_board_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The board file .* does not exist"):
        board(str(tmp_path / "none.toml"))
    (tmp_path / "a b.toml").write_text(NANO, "utf-8")
    with pytest.raises(ConfigError, match="needs a name of letters, digits and underscores"):
        board(str(tmp_path / "a b.toml"))
