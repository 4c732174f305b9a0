"""Which operators TensorFlow Lite Micro has, and how its resolver is told about them.

Two versions of it count: a current one, and its Arduino flavour, which changed last in 2023 and is
the only one that the board's compiler takes. That one has fewer operators, and neither of the two
looks at the version of an operator: what it does not know of, it computes wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tflm_ext.errors import UnsupportedOperatorError
from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.frontend.remedies import builtin_name, remedy
from tflm_ext.ir import DType
from tflm_ext.ir.names import keras_layer

_CUSTOM = 32

# Every operator, with the highest version whose int8 (or, where there is none, float) variant the
# Arduino flavour computes; 0 where it lacks the operator.
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

# The resolver's method is "Add" and the name in camel case, but for these.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}

# Custom operators, none of which the Arduino flavour has.
_CUSTOM_METHODS = {"TFLM_DECODE": "AddDecode"}

# Where a registration for int8 alone exists, which leaves the code of all other types out of the
# firmware: its header.
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

# They repeat the smaller of their inputs.
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

_COMPILED = "Use runtime='compiled' for the board, or a current TensorFlow Lite Micro elsewhere"
_ONE_SCALE = (
    "convert with one scale for all weights of a Dense layer "
    "(_experimental_disable_per_channel_quantization_for_dense_layers = True)"
)

_POOLING = "use AveragePooling2D over the whole image instead of GlobalAveragePooling2D"


@dataclass(frozen=True, slots=True)
class Registration:
    """One operator as a MicroMutableOpResolver is told about it.

    Attributes:
        operator: name in the schema, or of a custom operator.
        method: of the resolver.
        variant: function that returns the registration for int8 alone; empty for the usual one.
        header: declares the variant, below tensorflow/lite/micro/kernels/.
        arduino: whether the Arduino flavour has the operator.
    """

    operator: str
    method: str
    variant: str
    header: str
    arduino: bool


def required(parsed: RawModel) -> tuple[Registration, ...]:
    """The operators that a model uses, each once, sorted by name.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro does not have one of them.
    """
    users: dict[str, list[RawNode]] = {}
    for node in parsed.nodes:
        users.setdefault(operator_name(node), []).append(node)
    return tuple(_registration(name, users[name], parsed) for name in sorted(users))


def refuse_for_board(parsed: RawModel) -> None:
    """Require that the Arduino flavour computes a model as a current TensorFlow Lite Micro does.

    Raises:
        UnsupportedOperatorError: it lacks an operator, or computes this variant of it wrongly.
    """
    for node in parsed.nodes:
        name = operator_name(node)
        highest = ARDUINO_VERSIONS.get(name, 0)
        where = _describe(node, parsed)
        if highest == 0:
            raise UnsupportedOperatorError(
                f"The Arduino flavour of TensorFlow Lite Micro does not have operator {where}.",
                "Give the model as it was before tflm_ext.encode() for the board."
                if name in _CUSTOM_METHODS
                else f"{_COMPILED}.",
            )
        if node.version > highest:
            raise UnsupportedOperatorError(
                f"The Arduino flavour of TensorFlow Lite Micro has operator {where} up to version "
                f"{highest}, the model needs {node.version}.",
                f"{_COMPILED}.",
            )
        trap = _trap(name, node, parsed)
        if trap is not None:
            problem, besides = trap
            raise UnsupportedOperatorError(
                "The Arduino flavour of TensorFlow Lite Micro does not run operator "
                f"{where} correctly: {problem}.",
                f"{_COMPILED}; or {besides}.",
            )


def _trap(name: str, node: RawNode, parsed: RawModel) -> tuple[str, str] | None:
    """What the Arduino flavour neither has nor refuses, and no version number tells: what happens,
    and a remedy besides the usual ones.
    """
    tensors = [parsed.tensors[i] for i in node.inputs if i >= 0]
    shapes = [tensor.shape for tensor in tensors]
    rank = max(map(len, shapes), default=0)
    if rank > 5 or (name in _BROADCASTING and rank > 4 and len(set(shapes)) > 1):
        return f"it has at most {4 if name in _BROADCASTING else 5} dimensions", "reshape it"
    if (
        name == "FULLY_CONNECTED"
        and tensors[1].quantization
        and tensors[1].quantization.per_channel
    ):
        return "it takes the first scale of the weights for all channels", _ONE_SCALE
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D") and len(tensors) < 3:
        return "it crashes without a bias", "set use_bias=True"
    if name == "CONV_2D" and shapes[0][-1] != shapes[1][-1]:
        return "it has no groups", "set groups=1"
    if name in ("AVERAGE_POOL_2D", "MAX_POOL_2D") and shapes[0][0] != 1:
        return "it computes the first image of a batch only", "convert the model at batch 1"
    if name in ("MEAN", "SUM") and tensors[0].dtype is DType.INT8:
        return "it rounds differently from current versions", _POOLING
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM" and node.options and node.options.bool(3):
        return "it mistakes the time axis for the batch", "set time_major=False"
    return None


def _registration(name: str, nodes: Iterable[RawNode], parsed: RawModel) -> Registration:
    int8 = name in _INT8_HEADERS and all(_is_int8(node, parsed) for node in nodes)
    return Registration(
        operator=name,
        method=_CUSTOM_METHODS.get(name) or _METHODS.get(name) or _method(name),
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
    """The operator's name.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro does not have it.
    """
    if node.code == _CUSTOM and node.custom in _CUSTOM_METHODS:
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
