"""SUM over any axes."""

from tflm_ext.ops.reduction import sum_operator

OPERATOR = sum_operator("SUM", 74, 3, mean=False)
