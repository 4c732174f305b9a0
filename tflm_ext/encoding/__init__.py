"""Weights stored encoded, for the DECODE operator of TensorFlow Lite Micro's interpreter."""

from tflm_ext.encoding.encode import encode
from tflm_ext.encoding.result import EncodedTensor, EncodingResult, PlainTensor

__all__ = ["EncodedTensor", "EncodingResult", "PlainTensor", "encode"]
