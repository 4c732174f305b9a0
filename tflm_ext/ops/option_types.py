"""Which table of options belongs to which operator: numbers of BuiltinOptions in the schema.

TFLM takes an operator with the table of another one for an operator without options, and so a
file that mixes them up would not mean what it says. Operators that are not listed have none.
"""

from __future__ import annotations

from collections.abc import Mapping

OPTION_TYPES: Mapping[str, int] = {
    "ADD": 11,
    "AVERAGE_POOL_2D": 5,
    "BATCH_MATMUL": 101,
    "CONCATENATION": 10,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "DEPTH_TO_SPACE": 94,
    "DIV": 29,
    "FULLY_CONNECTED": 8,
    "GATHER": 23,
    "LEAKY_RELU": 75,
    "MAX_POOL_2D": 5,
    "MEAN": 27,
    "MUL": 21,
    "PACK": 59,
    "REDUCE_MAX": 27,
    "REDUCE_MIN": 27,
    "RESIZE_BILINEAR": 15,
    "SOFTMAX": 9,
    "SPACE_TO_DEPTH": 19,
    "SQUEEZE": 30,
    "STRIDED_SLICE": 32,
    "SUB": 28,
    "SUM": 27,
    "TRANSPOSE_CONV": 49,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 71,
    "UNPACK": 64,
}
