"""What the generated code runs on: boards, and the processor cores on them. Data and no code."""

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
