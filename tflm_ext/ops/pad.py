"""PAD: a border of zeros."""

from tflm_ext.opslib.padding import pad_operator

OPERATOR = pad_operator("PAD", 34, refuses="amounts that are not constant, or negative")
