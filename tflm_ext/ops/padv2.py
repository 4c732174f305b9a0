"""PADV2: a border of a given value."""

from tflm_ext.opslib.padding import pad_operator

OPERATOR = pad_operator(
    "PADV2",
    60,
    refuses=(
        "amounts that are not constant, or negative; a border value whose quantisation differs "
        "from the output's"
    ),
)
