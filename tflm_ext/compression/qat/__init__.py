"""Quantisation-aware training: a model that rounds in training like its int8 version."""

from tflm_ext.compression.qat.api import quantize_aware, strip

__all__ = ["quantize_aware", "strip"]
