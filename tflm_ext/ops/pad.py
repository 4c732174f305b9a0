"""PAD: a border of the value that stands for zero."""

from tflm_ext.opslib.padding import pad_operator

OPERATOR = pad_operator("PAD", 34, refuses="amounts that are computed or negative")
