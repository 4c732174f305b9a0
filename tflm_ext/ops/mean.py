"""MEAN over any axes."""

from tflm_ext.opslib.reduction import sum_operator

OPERATOR = sum_operator(
    "MEAN",
    40,
    3,
    options_type=27,
    refuses="axes that are computed or lie apart in more than three groups",
)
