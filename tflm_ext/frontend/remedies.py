"""What messages say about operators: their names, and what to use instead of unsupported ones."""

from __future__ import annotations

from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.ir.names import keras_layer

REMEDIES = {
    "TILE": "Use UpSampling2D(interpolation='bilinear') or Conv2DTranspose; RepeatVector has no "
    "replacement.",
    "GELU": "Use relu, silu or hard_silu.",
    "CAST": "Declare the input of an Embedding as integers, keras.Input(shape, dtype='int32'), and "
    "the inputs of other layers as float32.",
    "SELECT": "Replace selu with relu or elu, and comparisons with relu.",
    "SELECT_V2": "Replace selu with relu or elu, and comparisons with relu.",
    "LESS": "Replace comparisons with relu.",
    "GREATER": "Replace selu with relu or elu, and comparisons with relu.",
    "EXP": "Replace exponential, softplus or mish with relu, hard_sigmoid or hard_silu.",
    "LOG": "Compute logarithms before the model; use relu instead of softplus and mish.",
    "CONV_3D": "Use Conv2D, with the third dimension in the channels.",
    "WHILE": "Use unroll=True in the recurrent layer, or tf_keras.layers.LSTM.",
    "CUSTOM 'TFLM_DECODE'": "Pass the model from before tflm_ext.encode(), or runtime='tflm': only "
    "TFLM's interpreter decodes weights.",
    "CUSTOM 'ethos-u'": "Pass the .tflite from before Vela, which compiles it for Arm's Ethos-U.",
    "ARG_MAX": "Remove argmax from the model, and compute it from the outputs in your C code.",
}
_REPLACE = "Replace the layer with one listed in docs/reference/operators.md."
_CUSTOM = (
    "Pass the .tflite from before it was compiled for other hardware, or leave the operator out of "
    "the model and compute it in your C code."
)


def remedy(name: str) -> str:
    """Return a hint: what to do about an operator that is not supported."""
    # Flex are operators of TensorFlow, which the converter copies from layers.
    custom = name.startswith("CUSTOM ") and not name.startswith("CUSTOM 'Flex")
    return REMEDIES.get(name, _CUSTOM if custom else _REPLACE)


def builtin_name(code: int, custom: str) -> str:
    """Return TensorFlow Lite's name of an operator number, for messages."""
    from tflite_micro.tensorflow.lite.micro.python.schema_py_generated import BuiltinOperator

    for name, number in vars(BuiltinOperator).items():
        if number == code and not name.startswith("_"):
            return f"{name} {custom!r}" if custom else name
    return f"number {code}"


def node_label(node: RawNode, model: RawModel) -> str:
    """Return the operator as messages name it: "operator 3 ELU (Keras layer dense)"."""
    layer = keras_layer(model.tensors[node.outputs[0]].name) if node.outputs else None
    where = f" (Keras layer {layer})" if layer else ""
    return f"operator {node.index} {builtin_name(node.code, node.custom)}{where}"
