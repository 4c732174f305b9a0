"""REDUCE_MAX over any axes."""

from tflm_ext.ops.reduction import extremum_operator

OPERATOR = extremum_operator("REDUCE_MAX", 82, 3, largest=True)
