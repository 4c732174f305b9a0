"""Signal pipelines: stages that compute in NumPy and in C, with the same bytes."""

from tflm_ext.signals.frames import Frames, Stack
from tflm_ext.signals.image import Crop, Grey, Image
from tflm_ext.signals.image_resize import Resize
from tflm_ext.signals.log_mel import LogMel, Pcan, Subtraction
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.sources import Analog, Microphone, Motion, Recording

__all__ = [
    "Analog",
    "Crop",
    "Frames",
    "Grey",
    "Image",
    "LogMel",
    "Microphone",
    "Motion",
    "Pcan",
    "Pipeline",
    "Recording",
    "Resize",
    "Stack",
    "Subtraction",
]
