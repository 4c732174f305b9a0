"""Every operator that is supported: one file each, and this list."""

from tflm_ext.ops import (
    average_pool_2d,
    conv_2d,
    depthwise_conv_2d,
    expand_dims,
    fully_connected,
    max_pool_2d,
    reshape,
    softmax,
    squeeze,
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
    expand_dims.OPERATOR,
    fully_connected.OPERATOR,
    max_pool_2d.OPERATOR,
    reshape.OPERATOR,
    softmax.OPERATOR,
    squeeze.OPERATOR,
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
