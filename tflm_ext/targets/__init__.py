"""Targets of the generated code: boards and their processor cores, as data."""

from tflm_ext.options import DEFAULT_BOARD
from tflm_ext.targets.board import STDIO_BYTES, Board, board, boards, default_board
from tflm_ext.targets.core import MACHINE_BYTES, Core, Emulator, core, cores

__all__ = [
    "DEFAULT_BOARD",
    "MACHINE_BYTES",
    "STDIO_BYTES",
    "Board",
    "Core",
    "Emulator",
    "board",
    "boards",
    "core",
    "cores",
    "default_board",
]
