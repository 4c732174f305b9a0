"""Quantisation-aware training: a model that rounds in training as its int8 form will."""

from tflm_ext.compression.qat.api import quantize_aware, strip

__all__ = ["quantize_aware", "strip"]
