"""REDUCE_MIN over any axes."""

from tflm_ext.ops.reduction import extremum_operator

OPERATOR = extremum_operator("REDUCE_MIN", 89, 3, largest=False)
