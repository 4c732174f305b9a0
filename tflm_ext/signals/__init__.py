"""Signal pipelines: stages that compute in NumPy and in C, with the same bytes."""

from tflm_ext.signals.biquad import Biquad, HighPass, LowPass
from tflm_ext.signals.frames import Frames, Stack
from tflm_ext.signals.log_mel import LogMel, Pcan, Subtraction
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.remove_gravity import RemoveGravity
from tflm_ext.signals.resample import Decimate, Resample
from tflm_ext.signals.sources import Microphone, Motion

__all__ = [
    "Biquad",
    "Decimate",
    "Frames",
    "HighPass",
    "LogMel",
    "LowPass",
    "Microphone",
    "Motion",
    "Pcan",
    "Pipeline",
    "RemoveGravity",
    "Resample",
    "Stack",
    "Subtraction",
]
