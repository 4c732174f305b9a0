"""PADV2: a border of a given value."""

from tflm_ext.ops.padding import pad_operator

OPERATOR = pad_operator("PADV2", 60)
