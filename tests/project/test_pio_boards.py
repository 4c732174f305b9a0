"""The data of the boards."""

from __future__ import annotations

import pytest

from tflm_ext.boards import Board, board, boards
from tflm_ext.errors import ConfigError


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
    assert str(caught.value) == "There is no board 'uno'.\nChoose one of: nano33ble_sense."


@pytest.mark.parametrize("known", boards(), ids=lambda known: known.name)
def test_every_board_leaves_something_to_a_program(known: Board) -> None:
    assert known.core == "cortex-m4"
    assert known.usable_flash_bytes > 0
    assert known.usable_ram_bytes > 0
    assert 0 < known.stack_bytes < known.reserved_ram_bytes
