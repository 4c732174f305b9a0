"""Targets of the generated code: boards and their processor cores, as data."""

from tflm_ext.options import DEFAULT_BOARD
from tflm_ext.targets.board import Board, board, boards, default_board
from tflm_ext.targets.core import Core, Emulator, core, cores

__all__ = [
    "DEFAULT_BOARD",
    "Board",
    "Core",
    "Emulator",
    "board",
    "boards",
    "core",
    "cores",
    "default_board",
]
