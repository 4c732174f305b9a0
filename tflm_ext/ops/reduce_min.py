"""REDUCE_MIN over any axes."""

from tflm_ext.opslib.reduction import extremum_operator

OPERATOR = extremum_operator(
    "REDUCE_MIN",
    89,
    3,
    largest=False,
    options_type=27,
    refuses="as MEAN; different quantisations for input and output",
)
