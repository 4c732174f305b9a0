"""MEAN over any axes."""

from tflm_ext.ops.reduction import sum_operator

OPERATOR = sum_operator("MEAN", 40, 3, mean=True)
