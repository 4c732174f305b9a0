"""Measurements with a compiler for the board's core, and its emulator."""

from tflm_ext.bench.bench import Bench, OperatorFigures, bench
from tflm_ext.bench.compare import Comparison, compare
from tflm_ext.bench.emulator import Measurement

__all__ = ["Bench", "Comparison", "Measurement", "OperatorFigures", "bench", "compare"]
