"""Every operator that is supported: one file each, and this list."""

from tflm_ext.ops import (
    average_pool_2d,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    max_pool_2d,
)
from tflm_ext.ops.base import (
    Argument,
    Call,
    Const,
    Input,
    Inputs,
    Kernel,
    Operator,
    Output,
    Outputs,
    Scratch,
)

OPERATORS: tuple[Operator, ...] = (
    average_pool_2d.OPERATOR,
    conv_2d.OPERATOR,
    depthwise_conv_2d.OPERATOR,
    fully_connected.OPERATOR,
    max_pool_2d.OPERATOR,
)

BY_NAME = {operator.name: operator for operator in OPERATORS}

__all__ = [
    "BY_NAME",
    "OPERATORS",
    "Argument",
    "Call",
    "Const",
    "Input",
    "Inputs",
    "Kernel",
    "Operator",
    "Output",
    "Outputs",
    "Scratch",
]
