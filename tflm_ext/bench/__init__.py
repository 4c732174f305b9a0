"""Measurements with a compiler for the board's core, and its emulator."""

from tflm_ext.bench.bench import Bench, OperatorFigures, bench, check_pipeline_flash, keep, measured
from tflm_ext.bench.compare import Comparison, compare
from tflm_ext.bench.emulator import Measurement, require_tools, tools_at_hand

__all__ = [
    "Bench",
    "Comparison",
    "Measurement",
    "OperatorFigures",
    "bench",
    "check_pipeline_flash",
    "compare",
    "keep",
    "measured",
    "require_tools",
    "tools_at_hand",
]
