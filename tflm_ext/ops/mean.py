"""MEAN over any axes."""

from tflm_ext.opslib.reduction import sum_operator

OPERATOR = sum_operator(
    "MEAN",
    40,
    3,
    options_type=27,
    refuses="axes that are not constant, or form more than three separate groups",
)
