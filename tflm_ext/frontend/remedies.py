"""Names of operators outside the table, and what to use instead."""

from __future__ import annotations

REMEDIES = {
    "TILE": "Use UpSampling2D(interpolation='bilinear'), or Conv2DTranspose; RepeatVector has no "
    "counterpart.",
    "RESIZE_NEAREST_NEIGHBOR": "Use UpSampling2D(interpolation='bilinear').",
    "GELU": "Use relu, silu or hard_silu.",
    "SELECT": "Replace Embedding by one-hot input and Dense, and selu by relu or elu.",
    "SELECT_V2": "Replace Embedding by one-hot input and Dense, and selu by relu or elu.",
    "LESS": "Replace Embedding by one-hot input and Dense, and comparisons by relu.",
    "GREATER": "Use relu or elu instead of selu, and instead of comparisons.",
    "EXP": "Use relu, hard_sigmoid or hard_silu instead of exponential, softplus and mish.",
    "LOG": "Compute logarithms before the model; use relu instead of softplus and mish.",
    "CONV_3D": "Use Conv2D with the third dimension in the channels.",
    "WHILE": "Use unroll=True in the recurrent layer, or an LSTM of tf_keras.",
    "CUSTOM 'TFLM_DECODE'": "Give the model as it was before tflm_ext.encode(): only TFLM's"
    " interpreter decodes.",
    "ARG_MAX": "Leave argmax out of the model and take it from the outputs.",
}


def remedy(name: str) -> str:
    """What to do about an operator that is not supported."""
    return REMEDIES.get(name, "Replace the layer by one of those in docs/reference/operators.md.")


def builtin_name(code: int, custom: str) -> str:
    """TensorFlow Lite's name of an operator number, for messages."""
    from tflite_micro.tensorflow.lite.micro.python.schema_py_generated import BuiltinOperator

    for name, number in vars(BuiltinOperator).items():
        if number == code and not name.startswith("_"):
            return f"{name} {custom!r}" if custom else name
    return f"number {code}"
