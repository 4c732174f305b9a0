"""Signal pipelines: stages that compute in NumPy and in C, with the same bytes."""

from tflm_ext.signals.alarm import Alarm
from tflm_ext.signals.detect import Detect
from tflm_ext.signals.frames import Frames, Stack
from tflm_ext.signals.k_means import KMeans
from tflm_ext.signals.log_mel import LogMel, Pcan, Subtraction
from tflm_ext.signals.mahalanobis import Mahalanobis
from tflm_ext.signals.majority import Majority
from tflm_ext.signals.normal import Normal
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.scores import Probability, Reconstruction
from tflm_ext.signals.sources import Microphone, Motion

__all__ = [
    "Alarm",
    "Detect",
    "Frames",
    "KMeans",
    "LogMel",
    "Mahalanobis",
    "Majority",
    "Microphone",
    "Motion",
    "Normal",
    "Pcan",
    "Pipeline",
    "Probability",
    "Reconstruction",
    "Stack",
    "Subtraction",
]
