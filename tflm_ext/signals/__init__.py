"""Signal pipelines: stages that compute in NumPy and in C, with the same bytes."""

from tflm_ext.signals.alarm import Alarm
from tflm_ext.signals.bands import Bands
from tflm_ext.signals.biquad import Biquad, HighPass, LowPass
from tflm_ext.signals.concat import Concat
from tflm_ext.signals.detect import Detect
from tflm_ext.signals.frames import Frames, Stack
from tflm_ext.signals.gate import Gate
from tflm_ext.signals.image import Crop, Grey, Image
from tflm_ext.signals.image_resize import Resize
from tflm_ext.signals.k_means import KMeans
from tflm_ext.signals.log_mel import LogMel
from tflm_ext.signals.log_mel_block import Pcan, Subtraction
from tflm_ext.signals.mahalanobis import Mahalanobis
from tflm_ext.signals.majority import Majority
from tflm_ext.signals.mfcc import MFCC
from tflm_ext.signals.normal import Normal
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.raw import Raw
from tflm_ext.signals.remove_gravity import RemoveGravity
from tflm_ext.signals.resample import Decimate, Resample
from tflm_ext.signals.scores import Probability, Reconstruction
from tflm_ext.signals.sources import Analog, Microphone, Motion, Recording
from tflm_ext.signals.spectrum import Spectrum
from tflm_ext.signals.statistics import Statistics
from tflm_ext.signals.zscore import Zscore

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
