"""SUM over any axes."""

from tflm_ext.opslib.reduction import sum_operator

OPERATOR = sum_operator("SUM", 74, 3, options_type=27, refuses="as MEAN")
