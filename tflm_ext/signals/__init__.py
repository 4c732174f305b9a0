"""Signal pipelines: stages that compute in NumPy and in C, with the same bytes."""

from tflm_ext.signals.frames import Frames, Stack
from tflm_ext.signals.log_mel import LogMel, Pcan, Subtraction
from tflm_ext.signals.mfcc import MFCC
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.raw import Raw
from tflm_ext.signals.sources import Microphone, Motion
from tflm_ext.signals.statistics import Statistics
from tflm_ext.signals.zscore import Zscore

__all__ = [
    "MFCC",
    "Frames",
    "LogMel",
    "Microphone",
    "Motion",
    "Pcan",
    "Pipeline",
    "Raw",
    "Stack",
    "Statistics",
    "Subtraction",
    "Zscore",
]
