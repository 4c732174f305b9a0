"""PAD: a border of the value that stands for zero."""

from tflm_ext.ops.padding import pad_operator

OPERATOR = pad_operator("PAD", 34)
