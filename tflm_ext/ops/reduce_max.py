"""REDUCE_MAX over any axes."""

from tflm_ext.opslib.reduction import extremum_operator

OPERATOR = extremum_operator(
    "REDUCE_MAX",
    82,
    3,
    largest=True,
    options_type=27,
    refuses="as MEAN; different quantisations for input and output",
)
