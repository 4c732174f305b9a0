"""Every operator that is supported: one file each, and this list."""

from tflm_ext.ops import (
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
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
    conv_2d.OPERATOR,
    depthwise_conv_2d.OPERATOR,
    fully_connected.OPERATOR,
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
