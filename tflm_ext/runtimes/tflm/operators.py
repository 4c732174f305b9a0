"""The operators of TensorFlow Lite Micro, and their registration in its resolver.

Two versions matter: a current one, and the Arduino flavour, which last changed in 2023 and is the
only one that the board's compiler accepts. The Arduino flavour has fewer operators. Neither checks
the version of an operator: they silently compute wrong results for variants that they do not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tflm_ext.errors import UnsupportedOperatorError
from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.frontend.remedies import builtin_name, remedy
from tflm_ext.ir import DType
from tflm_ext.ir.names import keras_layer
from tflm_ext.runtimes.tflm.rounding import rounds_alike

_CUSTOM = 32

# All operators, with the highest version whose int8 variant (float if there is no int8 variant) the
# Arduino flavour computes correctly; 0 if it lacks the operator.
ARDUINO_VERSIONS: Mapping[str, int] = {
    "ABS": 3,
    "ADD": 3,
    "ADD_N": 1,
    "ARG_MAX": 2,
    "ARG_MIN": 2,
    "ASSIGN_VARIABLE": 1,
    "AVERAGE_POOL_2D": 3,
    "BATCH_MATMUL": 0,
    "BATCH_TO_SPACE_ND": 3,
    "BROADCAST_ARGS": 1,
    "BROADCAST_TO": 3,
    "CALL_ONCE": 1,
    "CAST": 3,
    "CEIL": 1,
    "CONCATENATION": 3,
    "CONV_2D": 5,
    "COS": 1,
    "CUMSUM": 1,
    "DEPTHWISE_CONV_2D": 6,
    "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 3,
    "DIV": 1,
    "DYNAMIC_UPDATE_SLICE": 0,
    "ELU": 1,
    "EMBEDDING_LOOKUP": 0,
    "EQUAL": 2,
    "EXP": 1,
    "EXPAND_DIMS": 1,
    "FILL": 3,
    "FLOOR": 1,
    "FLOOR_DIV": 2,
    "FLOOR_MOD": 1,
    "FULLY_CONNECTED": 7,
    "GATHER": 5,
    "GATHER_ND": 1,
    "GREATER": 2,
    "GREATER_EQUAL": 2,
    "HARD_SWISH": 1,
    "IF": 1,
    "L2_NORMALIZATION": 2,
    "L2_POOL_2D": 1,
    "LEAKY_RELU": 2,
    "LESS": 2,
    "LESS_EQUAL": 2,
    "LOG": 1,
    "LOGICAL_AND": 1,
    "LOGICAL_NOT": 1,
    "LOGICAL_OR": 1,
    "LOGISTIC": 3,
    "LOG_SOFTMAX": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 2,
    "MIRROR_PAD": 2,
    "MUL": 4,
    "NEG": 1,
    "NOT_EQUAL": 2,
    "PACK": 2,
    "PAD": 3,
    "PADV2": 3,
    "PRELU": 1,
    "QUANTIZE": 2,
    "READ_VARIABLE": 1,
    "REDUCE_ALL": 0,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 0,
    "RELU": 2,
    "RELU6": 2,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "REVERSE_V2": 0,
    "ROUND": 1,
    "RSQRT": 2,
    "SELECT_V2": 1,
    "SHAPE": 1,
    "SIN": 1,
    "SLICE": 5,
    "SOFTMAX": 3,
    "SPACE_TO_BATCH_ND": 3,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 4,
    "SPLIT_V": 2,
    "SQRT": 1,
    "SQUARE": 1,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 1,
    "STRIDED_SLICE": 3,
    "SUB": 2,
    "SUM": 2,
    "SVDF": 3,
    "TANH": 3,
    "TRANSPOSE": 4,
    "TRANSPOSE_CONV": 3,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    "UNPACK": 2,
    "VAR_HANDLE": 1,
    "WHILE": 1,
    "ZEROS_LIKE": 1,
}

# The resolver's methods are called "Add" followed by the name in camel case, except these.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}

# Custom operators; the Arduino flavour has none of them.
CUSTOM_METHODS = {"TFLM_DECODE": "AddDecode"}

# Headers of registrations for int8 only, which keep the code for other types out of the firmware.
_INT8_HEADERS = {
    "ADD": "add.h",
    "AVERAGE_POOL_2D": "pooling.h",
    "CONV_2D": "conv.h",
    "DEPTHWISE_CONV_2D": "depthwise_conv.h",
    "FULLY_CONNECTED": "fully_connected.h",
    "MAX_POOL_2D": "pooling.h",
    "MUL": "mul.h",
    "SOFTMAX": "softmax.h",
    "SVDF": "svdf.h",
}

# Operators that broadcast the smaller one of their inputs.
_BROADCASTING = {
    "ADD",
    "DIV",
    "MAXIMUM",
    "MINIMUM",
    "MUL",
    "PRELU",
    "SQUARED_DIFFERENCE",
    "SUB",
}

_CURRENT = "Pass tflm_source= with a current TensorFlow Lite Micro, to run it elsewhere"
_COMPILED = (
    "Use runtime='compiled' for the board, or pass tflm_source= with a current TensorFlow Lite "
    "Micro, to run it elsewhere"
)
_ONE_SCALE = (
    "convert the model with one scale for all weights of a Dense layer "
    "(_experimental_disable_per_channel_quantization_for_dense_layers = True)"
)

_POOLING = "use AveragePooling2D over the whole image instead of GlobalAveragePooling2D"


@dataclass(frozen=True, slots=True)
class Registration:
    """Registration of one operator with a MicroMutableOpResolver.

    Attributes:
        operator: name in the schema, or name of a custom operator.
        method: method of the resolver.
        variant: function that returns the registration for int8 only; empty for the default one.
        header: file below tensorflow/lite/micro/kernels/ that declares the variant.
        arduino: whether the Arduino flavour has the operator.
    """

    operator: str
    method: str
    variant: str
    header: str
    arduino: bool


def required(parsed: RawModel) -> tuple[Registration, ...]:
    """Return the operators that a model uses, without duplicates, sorted by name.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro lacks one of them.
    """
    users: dict[str, list[RawNode]] = {}
    for node in parsed.nodes:
        users.setdefault(operator_name(node), []).append(node)
    return tuple(_registration(name, users[name], parsed) for name in sorted(users))


def refuse_for_board(parsed: RawModel, *, compilable: bool = True) -> None:
    """Require that the Arduino flavour computes the same results as a current version.

    Args:
        compilable: whether the runtime "compiled" is a way out.

    Raises:
        UnsupportedOperatorError: it lacks an operator, or computes a variant of one incorrectly.
    """
    way_out = _COMPILED if compilable else _CURRENT
    for node in parsed.nodes:
        name = operator_name(node)
        highest = ARDUINO_VERSIONS.get(name, 0)
        where = _describe(node, parsed)
        if highest == 0:
            raise UnsupportedOperatorError(
                f"The Arduino flavour of TensorFlow Lite Micro does not have operator {where}.",
                "For the board, pass the model from before tflm_ext.encode()."
                if name in CUSTOM_METHODS
                else f"{way_out}.",
            )
        if node.version > highest:
            raise UnsupportedOperatorError(
                f"The Arduino flavour of TensorFlow Lite Micro has operator {where} up to version "
                f"{highest}, but the model needs version {node.version}.",
                f"{way_out}.",
            )
        trap = _trap(name, node, parsed)
        if trap is not None:
            problem, besides = trap
            raise UnsupportedOperatorError(
                "The Arduino flavour of TensorFlow Lite Micro does not run operator "
                f"{where} correctly: {problem}.",
                f"{way_out}; or {besides}.",
            )


def _trap(name: str, node: RawNode, parsed: RawModel) -> tuple[str, str] | None:
    """Return a problem that neither the Arduino flavour nor the version number reveals, if any.

    Returns:
        The problem, and a remedy in addition to the usual ones.
    """
    tensors = [parsed.tensors[i] for i in node.inputs if i >= 0]
    shapes = [tensor.shape for tensor in tensors]
    rank = max(map(len, shapes), default=0)
    if rank > 5 or (name in _BROADCASTING and rank > 4 and len(set(shapes)) > 1):
        limit = 4 if name in _BROADCASTING else 5
        return f"it supports at most {limit} dimensions", "reshape the tensor"
    if (
        name == "FULLY_CONNECTED"
        and tensors[1].quantization
        and tensors[1].quantization.per_channel
    ):
        return "it uses the first scale of the weights for all channels", _ONE_SCALE
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D") and len(tensors) < 3:
        return "it crashes without a bias", "set use_bias=True"
    if name == "CONV_2D" and shapes[0][-1] != shapes[1][-1]:
        return "it does not support groups", "set groups=1"
    if name in ("AVERAGE_POOL_2D", "MAX_POOL_2D") and shapes[0][0] != 1:
        return "it computes only the first image of a batch", "convert it with batch size 1"
    if (
        name in ("MEAN", "SUM")
        and tensors[0].dtype is DType.INT8
        and not rounds_alike(name, node, parsed)
    ):
        return "it rounds differently from current versions", _POOLING
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM" and node.options and node.options.bool(3):
        return "it mistakes the time axis for the batch", "set time_major=False"
    return None


def _registration(name: str, nodes: Iterable[RawNode], parsed: RawModel) -> Registration:
    int8 = name in _INT8_HEADERS and all(_is_int8(node, parsed) for node in nodes)
    return Registration(
        operator=name,
        method=CUSTOM_METHODS.get(name) or _METHODS.get(name) or _method(name),
        variant=f"Register_{name}_INT8" if int8 else "",
        header=_INT8_HEADERS[name] if int8 else "",
        arduino=ARDUINO_VERSIONS.get(name, 0) > 0,
    )


def _is_int8(node: RawNode, parsed: RawModel) -> bool:
    ports = (*node.inputs[:1], *node.outputs[:1])
    return all(parsed.tensors[i].dtype is DType.INT8 for i in ports)


def _method(name: str) -> str:
    return "Add" + "".join(
        part.upper() if part[0].isdigit() else part.capitalize() for part in name.split("_")
    )


def operator_name(node: RawNode) -> str:
    """Return an operator's name.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro does not have the operator.
    """
    if node.code == _CUSTOM and node.custom in CUSTOM_METHODS:
        return node.custom
    name = builtin_name(node.code, node.custom)
    if name not in ARDUINO_VERSIONS:
        raise UnsupportedOperatorError(
            f"TensorFlow Lite Micro does not have operator {node.index} {name}.", remedy(name)
        )
    return name


def _describe(node: RawNode, parsed: RawModel) -> str:
    layer = keras_layer(parsed.tensors[node.outputs[0]].name) if node.outputs else None
    return f"{node.index} {operator_name(node)}" + (f" (Keras layer {layer})" if layer else "")
