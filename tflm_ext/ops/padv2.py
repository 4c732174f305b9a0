"""PADV2: a border of a given value."""

from tflm_ext.opslib.padding import pad_operator

OPERATOR = pad_operator(
    "PADV2",
    60,
    refuses=("amounts that are computed or negative; a border value of another quantisation"),
)
