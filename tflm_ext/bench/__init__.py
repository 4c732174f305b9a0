"""Measurements with a compiler for the board's core, and its emulator."""

from tflm_ext.bench.bench import Bench, OperatorFigures, bench, keep, measured
from tflm_ext.bench.compare import Comparison, compare
from tflm_ext.bench.emulator import Measurement, tools_at_hand

__all__ = [
    "Bench",
    "Comparison",
    "Measurement",
    "OperatorFigures",
    "bench",
    "compare",
    "keep",
    "measured",
    "tools_at_hand",
]
