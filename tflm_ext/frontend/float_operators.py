"""Elementwise operators that TFLM runs in float32, which can form a float island.

The numbers are those of BuiltinOperator in TensorFlow Lite's schema.
"""

from __future__ import annotations

DEQUANTIZE = 6
QUANTIZE = 114

ELEMENTWISE = frozenset(
    {
        0,  # ADD
        8,  # FLOOR
        14,  # LOGISTIC
        18,  # MUL
        19,  # RELU
        21,  # RELU6
        28,  # TANH
        41,  # SUB
        42,  # DIV
        47,  # EXP
        55,  # MAXIMUM
        57,  # MINIMUM
        59,  # NEG
        66,  # SIN
        73,  # LOG
        75,  # SQRT
        76,  # RSQRT
        92,  # SQUARE
        98,  # LEAKY_RELU
        99,  # SQUARED_DIFFERENCE
        101,  # ABS
        104,  # CEIL
        108,  # COS
        111,  # ELU
        116,  # ROUND
        117,  # HARD_SWISH
    }
)
