"""From a sensor to a decision: pipelines that are defined once, for training and for the device.

Example:
    >>> from tflm_ext import sense
    >>> bell = sense.Pipeline(
    ...     sense.Microphone(16_000), sense.Frames(480, hop=320), sense.LogMel(40), sense.Stack(49)
    ... )
    >>> print(bell.out)
    features of 49 x 40 int8, 50 per second
"""

from tflm_ext.sense.pipeline import Pipeline
from tflm_ext.signals import (
    MFCC,
    Alarm,
    Analog,
    Bands,
    Biquad,
    Concat,
    Crop,
    Decimate,
    Detect,
    Frames,
    Gate,
    Grey,
    HighPass,
    Image,
    KMeans,
    LogMel,
    LowPass,
    Mahalanobis,
    Majority,
    Microphone,
    Motion,
    Normal,
    Pcan,
    Probability,
    Raw,
    Reconstruction,
    Recording,
    RemoveGravity,
    Resample,
    Resize,
    Spectrum,
    Stack,
    Statistics,
    Subtraction,
    Zscore,
)

__all__ = [
    "MFCC",
    "Alarm",
    "Analog",
    "Bands",
    "Biquad",
    "Concat",
    "Crop",
    "Decimate",
    "Detect",
    "Frames",
    "Gate",
    "Grey",
    "HighPass",
    "Image",
    "KMeans",
    "LogMel",
    "LowPass",
    "Mahalanobis",
    "Majority",
    "Microphone",
    "Motion",
    "Normal",
    "Pcan",
    "Pipeline",
    "Probability",
    "Raw",
    "Reconstruction",
    "Recording",
    "RemoveGravity",
    "Resample",
    "Resize",
    "Spectrum",
    "Stack",
    "Statistics",
    "Subtraction",
    "Zscore",
]
