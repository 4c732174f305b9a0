"""One Keras model per row of the table of layers: what it becomes, and whether it is exported.

Run as a program it is the converter's child with one request more, "build", so that the models
are built where TensorFlow already is; the process that reads the rows stays free of it.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.convert.child import Child, ChildEnded
from tflm_ext.convert.explain import explain
from tflm_ext.errors import TflmExtError
from tflm_ext.rewrite import narrow_moves

CALIBRATION_SAMPLES = 32

Shape = tuple[int, ...]
Refusal = tuple[str | None, str]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: the layer, as the table calls it.
        operators: the operators of the .tflite with their number; empty if there is none.
        build: makes the model for one input shape.
        shapes: input shapes without the batch.
        float_tensors: float32 tensors that the operators read or write.
        refused: None, or the layer that the refusal names (None outside a layer) and a word of
            its hint.
        library: "keras" or "tf_keras".
    """

    name: str
    operators: dict[str, int]
    build: Callable[[Shape], Any]
    shapes: tuple[Shape, ...]
    float_tensors: int = 0
    refused: Refusal | None = None
    library: str = "keras"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")


ROWS: list[Row] = []

VECTORS = ((16,), (7,), (33,))
SEQUENCES = ((8, 6), (12, 3), (5, 16))
IMAGES = ((8, 8, 4), (9, 7, 2), (12, 5, 6))


def row(
    name: str,
    operators: str,
    shapes: tuple[Shape, ...],
    *,
    float_tensors: int = 0,
    refused: Refusal | None = None,
    library: str = "keras",
) -> Callable[[Callable[[Shape], Any]], Callable[[Shape], Any]]:
    """Register the builder of a row; operators are written as in the table: "RESHAPEx2 CONV_2D"."""
    counts: Counter[str] = Counter()
    for word in operators.split():
        match = re.fullmatch(r"(.*?)(?:x(\d+))?", word)
        assert match is not None
        counts[match[1]] += int(match[2] or 1)

    def register(build: Callable[[Shape], Any]) -> Callable[[Shape], Any]:
        ROWS.append(Row(name, dict(counts), build, shapes, float_tensors, refused, library))
        return build

    return register


def sequence(shape: Shape, *names: Any) -> Any:
    """A model of layers one after another."""
    import keras

    x = y = keras.Input(shape)
    for layer in names:
        y = layer(y)
    return keras.Model(x, y)


def _layers() -> Any:
    import keras

    return keras.layers


def dense(activation: Any = None) -> Callable[[Shape], Any]:
    return lambda shape: sequence(shape, _layers().Dense(12, activation=activation))


def conv2d(filters: int = 6, size: Any = 3, **options: Any) -> Any:
    return _layers().Conv2D(filters, size, **{"padding": "same", **options})


def conv1d(filters: int = 6, size: int = 3, **options: Any) -> Any:
    return _layers().Conv1D(filters, size, **{"padding": "same", **options})


FC = "FULLY_CONNECTED"
row("Dense(linear)", FC, VECTORS)(dense())
row("Dense(relu)", FC, VECTORS)(dense("relu"))
row("Dense 3D input (T,F)", FC, SEQUENCES)(dense())


@row("Flatten+Dense", "CONV_2D RESHAPE FULLY_CONNECTED", IMAGES)
def flatten_dense(shape: Shape) -> Any:
    return sequence(shape, conv2d(), _layers().Flatten(), _layers().Dense(5))


@row("Reshape", FC, ((16,), (8,), (36,)))
def reshape(shape: Shape) -> Any:
    layers = _layers()
    return sequence(shape, layers.Reshape((4, -1)), layers.Flatten(), layers.Dense(12))


@row("Conv2D", "CONV_2D", IMAGES)
def conv2d_same(shape: Shape) -> Any:
    return sequence(shape, conv2d())


@row("Conv2D valid stride2", "CONV_2D", IMAGES)
def conv2d_stride(shape: Shape) -> Any:
    return sequence(shape, conv2d(strides=2, padding="valid"))


@row("Conv2D dilated", "CONV_2D", IMAGES)
def conv2d_dilated(shape: Shape) -> Any:
    return sequence(shape, conv2d(dilation_rate=2))


@row("Conv2D groups=2", "CONV_2D", IMAGES)
def conv2d_groups(shape: Shape) -> Any:
    return sequence(shape, conv2d(groups=2))


@row("DepthwiseConv2D", "DEPTHWISE_CONV_2D", IMAGES)
def depthwise2d(shape: Shape) -> Any:
    return sequence(shape, _layers().DepthwiseConv2D(3, padding="same", depth_multiplier=2))


@row("SeparableConv2D", "DEPTHWISE_CONV_2D CONV_2D", IMAGES)
def separable2d(shape: Shape) -> Any:
    return sequence(shape, _layers().SeparableConv2D(6, 3, padding="same"))


@row("Conv2D+BN+ReLU", "CONV_2D", IMAGES)
def conv2d_bn_relu(shape: Shape) -> Any:
    return sequence(shape, conv2d(use_bias=False), _layers().BatchNormalization(), _layers().ReLU())


@row("Conv2D+BN+ReLU6", "CONV_2D", IMAGES)
def conv2d_bn_relu6(shape: Shape) -> Any:
    return sequence(
        shape, conv2d(use_bias=False), _layers().BatchNormalization(), _layers().ReLU(6.0)
    )


@row("BatchNorm alone", "MUL ADD", IMAGES)
def batch_norm(shape: Shape) -> Any:
    return sequence(shape, _layers().BatchNormalization())


@row("BN after ReLU", "CONV_2D MUL ADD", IMAGES)
def batch_norm_after_relu(shape: Shape) -> Any:
    return sequence(shape, conv2d(activation="relu"), _layers().BatchNormalization())


CONV1D = "RESHAPEx2 CONV_2D"


@row("Conv1D", CONV1D, SEQUENCES)
def conv1d_same(shape: Shape) -> Any:
    return sequence(shape, conv1d())


@row("Conv1D stride2", CONV1D, SEQUENCES)
def conv1d_stride(shape: Shape) -> Any:
    return sequence(shape, conv1d(strides=2))


@row("Conv1D causal", f"PAD {CONV1D}", SEQUENCES)
def conv1d_causal(shape: Shape) -> Any:
    return sequence(shape, conv1d(padding="causal"))


@row("Conv1D causal dil2", f"PAD {CONV1D}", SEQUENCES)
def conv1d_causal_dilated(shape: Shape) -> Any:
    return sequence(shape, conv1d(padding="causal", dilation_rate=2))


@row("Conv1D+BN+ReLU", CONV1D, SEQUENCES)
def conv1d_bn_relu(shape: Shape) -> Any:
    return sequence(shape, conv1d(use_bias=False), _layers().BatchNormalization(), _layers().ReLU())


@row("DepthwiseConv1D", "RESHAPEx2 DEPTHWISE_CONV_2D", SEQUENCES)
def depthwise1d(shape: Shape) -> Any:
    return sequence(shape, _layers().DepthwiseConv1D(3, padding="same"))


@row("SeparableConv1D", "RESHAPEx2 DEPTHWISE_CONV_2D CONV_2D", SEQUENCES)
def separable1d(shape: Shape) -> Any:
    return sequence(shape, _layers().SeparableConv1D(6, 3, padding="same"))


@row("MaxPool2D", "MAX_POOL_2D", IMAGES)
def max_pool2d(shape: Shape) -> Any:
    return sequence(shape, _layers().MaxPooling2D(2))


@row("AvgPool2D", "AVERAGE_POOL_2D", IMAGES)
def average_pool2d(shape: Shape) -> Any:
    return sequence(shape, _layers().AveragePooling2D(3, 2, padding="same"))


@row("MaxPool1D", "RESHAPEx2 MAX_POOL_2D", SEQUENCES)
def max_pool1d(shape: Shape) -> Any:
    return sequence(shape, _layers().MaxPooling1D(2))


@row("AvgPool1D", "RESHAPEx2 AVERAGE_POOL_2D", SEQUENCES)
def average_pool1d(shape: Shape) -> Any:
    return sequence(shape, _layers().AveragePooling1D(3, 2, padding="same"))


@row("GlobalAvgPool2D", "MEAN", IMAGES)
def global_average_pool2d(shape: Shape) -> Any:
    return sequence(shape, _layers().GlobalAveragePooling2D())


@row("GlobalMaxPool2D", "REDUCE_MAX", IMAGES)
def global_max_pool2d(shape: Shape) -> Any:
    return sequence(shape, _layers().GlobalMaxPooling2D())


@row("GlobalAvgPool1D", "MEAN", SEQUENCES)
def global_average_pool1d(shape: Shape) -> Any:
    return sequence(shape, _layers().GlobalAveragePooling1D())


@row("GlobalMaxPool1D", "REDUCE_MAX", SEQUENCES)
def global_max_pool1d(shape: Shape) -> Any:
    return sequence(shape, _layers().GlobalMaxPooling1D())


@row("ZeroPadding2D", "CONV_2D", IMAGES)
def zero_padding(shape: Shape) -> Any:
    return sequence(shape, _layers().ZeroPadding2D(1), conv2d(padding="valid"))


@row("Cropping2D", "CONV_2D STRIDED_SLICE", IMAGES)
def cropping(shape: Shape) -> Any:
    return sequence(shape, conv2d(), _layers().Cropping2D(((1, 2), (0, 1))))


@row("UpSampling2D nearest", "RESHAPEx3 TILEx2", IMAGES, refused=("up_sampling2d", "bilinear"))
def upsampling_nearest(shape: Shape) -> Any:
    return sequence(shape, _layers().UpSampling2D(2))


@row("UpSampling2D bilinear", "RESIZE_BILINEAR", IMAGES)
def upsampling_bilinear(shape: Shape) -> Any:
    return sequence(shape, _layers().UpSampling2D(2, interpolation="bilinear"))


@row("UpSampling1D", "RESHAPEx2 TILE", SEQUENCES, refused=("up_sampling1d", "bilinear"))
def upsampling1d(shape: Shape) -> Any:
    return sequence(shape, _layers().UpSampling1D(2))


@row("Conv2DTranspose", "TRANSPOSE_CONV", IMAGES)
def conv2d_transpose(shape: Shape) -> Any:
    return sequence(shape, _layers().Conv2DTranspose(6, 3, 2, padding="same"))


@row("Conv1DTranspose", "RESHAPEx2 TRANSPOSE_CONV", SEQUENCES)
def conv1d_transpose(shape: Shape) -> Any:
    return sequence(shape, _layers().Conv1DTranspose(6, 3, 2, padding="same"))


@row(
    "Conv3D",
    "DEQUANTIZE CONV_3D QUANTIZE ADD",
    ((4, 5, 6, 2), (3, 3, 3, 1), (5, 4, 4, 3)),
    float_tensors=3,
    refused=("conv3d", "Conv2D"),
)
def conv3d(shape: Shape) -> Any:
    return sequence(shape, _layers().Conv3D(4, 3, padding="same"))


@row("Softmax", "SOFTMAX", VECTORS)
def softmax(shape: Shape) -> Any:
    return sequence(shape, _layers().Softmax())


row("Dense(softmax)", f"{FC} SOFTMAX", VECTORS)(dense("softmax"))
row("Dense(sigmoid)", f"{FC} LOGISTIC", VECTORS)(dense("sigmoid"))
row("Dense(tanh)", f"{FC} TANH", VECTORS)(dense("tanh"))
row("Dense(gelu)", f"{FC} GELU", VECTORS, refused=("dense", "hard_silu"))(dense("gelu"))


@row("Dense(gelu approx)", f"{FC} GELU", VECTORS, refused=("dense", "hard_silu"))
def dense_gelu_approximate(shape: Shape) -> Any:
    import keras

    gelu = partial(keras.ops.gelu, approximate=True)
    return sequence(shape, _layers().Dense(12, activation=gelu))


row("Dense(silu/swish)", f"{FC} LOGISTIC MUL", VECTORS)(dense("silu"))
row("Dense(elu)", f"{FC} DEQUANTIZE ELU QUANTIZE", VECTORS, float_tensors=2)(dense("elu"))
row("Dense(selu)", f"{FC} GREATER MULx2 EXP SUB SELECT", VECTORS, refused=("dense", "relu"))(
    dense("selu")
)
row("Dense(softplus)", f"{FC} EXP ADD LOG", VECTORS, refused=("dense", "relu"))(dense("softplus"))
row("Dense(softsign)", f"{FC} ABS ADD DIV", VECTORS)(dense("softsign"))
row("Dense(mish)", f"{FC} EXP ADD LOG TANH MUL", VECTORS, refused=("dense", "relu"))(dense("mish"))
row("Dense(hard_sigmoid)", f"{FC} MUL", VECTORS)(dense("hard_sigmoid"))
row("Dense(hard_silu)", f"{FC} HARD_SWISH", VECTORS)(dense("hard_silu"))
row("Dense(exponential)", f"{FC} EXP", VECTORS, refused=("dense", "relu"))(dense("exponential"))


@row("LeakyReLU", f"{FC} LEAKY_RELU", VECTORS)
def leaky_relu(shape: Shape) -> Any:
    return sequence(shape, _layers().Dense(12), _layers().LeakyReLU(0.1))


@row("PReLU", "CONV_2D PRELU", IMAGES)
def prelu(shape: Shape) -> Any:
    return sequence(shape, conv2d(), _layers().PReLU(shared_axes=[1, 2]))


@row(
    "LayerNormalization",
    f"{FC} MEANx2 DEQUANTIZE NEG QUANTIZE SQUARED_DIFFERENCE ADDx3 RSQRT MULx3",
    VECTORS,
    float_tensors=2,
)
def layer_normalization(shape: Shape) -> Any:
    return sequence(shape, _layers().Dense(12), _layers().LayerNormalization())


@row(
    "GroupNormalization",
    "CONV_2D RESHAPEx2 MEANx2 DEQUANTIZEx2 NEG QUANTIZEx2 SUB SQUARE ADDx3 RSQRT MULx3",
    IMAGES,
    float_tensors=4,
)
def group_normalization(shape: Shape) -> Any:
    return sequence(shape, conv2d(), _layers().GroupNormalization(2))


@row(
    "UnitNormalization",
    "DEQUANTIZE SQUARE QUANTIZE SUM RSQRT MINIMUM MUL",
    VECTORS,
    float_tensors=2,
)
def unit_normalization(shape: Shape) -> Any:
    return sequence(shape, _layers().UnitNormalization())


@row("Dropout", FC, VECTORS)
def dropout(shape: Shape) -> Any:
    return sequence(shape, _layers().Dense(12), _layers().Dropout(0.5))


def two_branches(shape: Shape, branch: Callable[[], Any], merge: Any) -> Any:
    import keras

    x = keras.Input(shape)
    return keras.Model(x, merge([branch()(x), branch()(x)]))


@row("Add (residual)", "CONV_2Dx2 ADD", IMAGES)
def residual(shape: Shape) -> Any:
    import keras

    x = keras.Input(shape)
    y = conv2d()(x)
    return keras.Model(x, _layers().Add()([y, conv2d()(y)]))


@row("Multiply", f"CONV_2D MEAN {FC} LOGISTIC MUL", IMAGES)
def multiply(shape: Shape) -> Any:
    import keras

    x = keras.Input(shape)
    y = conv2d()(x)
    gate = _layers().Dense(6, activation="sigmoid")(
        _layers().GlobalAveragePooling2D(keepdims=True)(y)
    )
    return keras.Model(x, _layers().Multiply()([y, gate]))


@row("Concatenate", "CONV_2Dx2 CONCATENATION", IMAGES)
def concatenate(shape: Shape) -> Any:
    return two_branches(shape, conv2d, _layers().Concatenate())


@row("Maximum", f"{FC}x2 MAXIMUM", VECTORS)
def maximum(shape: Shape) -> Any:
    return two_branches(shape, lambda: _layers().Dense(9), _layers().Maximum())


@row("Subtract", f"{FC}x2 SUB", VECTORS)
def subtract(shape: Shape) -> Any:
    return two_branches(shape, lambda: _layers().Dense(9), _layers().Subtract())


@row("Dot", f"{FC}x2 RESHAPEx3 BATCH_MATMUL", VECTORS)
def dot(shape: Shape) -> Any:
    return two_branches(shape, lambda: _layers().Dense(9), _layers().Dot(axes=1))


@row("Permute", f"{CONV1D} TRANSPOSE", SEQUENCES)
def permute(shape: Shape) -> Any:
    return sequence(shape, conv1d(), _layers().Permute((2, 1)))


@row("RepeatVector", f"{FC} RESHAPEx2 TILE", VECTORS, refused=("repeat_vector", "RepeatVector"))
def repeat_vector(shape: Shape) -> Any:
    return sequence(shape, _layers().Dense(6), _layers().RepeatVector(4))


@row(
    "TimeDistributed(Dense)",
    f"RESHAPEx2 STRIDED_SLICEx8 {FC}x8 PACK",
    ((8, 6), (8, 3), (8, 16)),
)
def time_distributed(shape: Shape) -> Any:
    return sequence(shape, _layers().TimeDistributed(_layers().Dense(5)))


STEPS = ((4, 5), (4, 3), (4, 9))


def recurrent(
    name: str, operators: str, layer: str, *, refused: Refusal | None = None, **options: Any
) -> None:
    row(name, operators, STEPS, refused=refused)(
        lambda shape: sequence(shape, getattr(_layers(), layer)(8, **options))
    )


recurrent("LSTM", "", "LSTM", refused=("lstm", "unroll=True"))
recurrent("LSTM return_seq", "", "LSTM", refused=("lstm", "unroll=True"), return_sequences=True)
recurrent(
    "LSTM unroll",
    f"RESHAPEx4 UNPACK {FC}x7 SPLITx4 LOGISTICx11 TANHx8 MULx11 ADDx9",
    "LSTM",
    unroll=True,
)
recurrent("GRU", "", "GRU", refused=("gru", "unroll=True"))
recurrent(
    "GRU unroll",
    f"RESHAPE UNPACK {FC}x7 SPLITx4 ADDx15 LOGISTICx8 SUBx4 MULx11 TANHx4 STRIDED_SLICEx9",
    "GRU",
    unroll=True,
)
recurrent(
    "GRU reset_after=False unroll",
    f"RESHAPE UNPACK {FC}x10 SPLITx4 LOGISTICx7 SUBx4 TANHx4 MULx10 STRIDED_SLICEx6 ADDx12",
    "GRU",
    unroll=True,
    reset_after=False,
)
recurrent("SimpleRNN", "", "SimpleRNN", refused=("simple_rnn", "unroll=True"))
recurrent("SimpleRNN unroll", f"RESHAPE UNPACK {FC}x7 TANHx4 ADDx3", "SimpleRNN", unroll=True)


@row("Bidirectional(LSTM)", "", STEPS, refused=("forward_lstm", "unroll=True"))
def bidirectional(shape: Shape) -> Any:
    return sequence(shape, _layers().Bidirectional(_layers().LSTM(8)))


@row(
    "MultiHeadAttention",
    f"{FC}x5 RESHAPEx4 TRANSPOSEx4 BATCH_MATMULx2 MUL SOFTMAX",
    SEQUENCES,
)
def attention(shape: Shape) -> Any:
    import keras

    x = keras.Input(shape)
    y = _layers().Dense(8)(x)
    return keras.Model(x, _layers().MultiHeadAttention(2, 4)(y, y))


@row(
    "Embedding",
    "LESS ADD SELECT GATHER MEAN",
    ((6,), (3,), (11,)),
)
def embedding(shape: Shape) -> Any:
    import keras

    x = keras.Input(shape, dtype="int32")
    y = _layers().Embedding(20, 8)(x)
    return keras.Model(x, _layers().GlobalAveragePooling1D()(y))


@row("Normalization", f"SUB MUL {FC}", VECTORS)
def normalization(shape: Shape) -> Any:
    rng = np.random.default_rng(1)
    mean, variance = rng.uniform(-1, 1, shape[0]), rng.uniform(0.5, 2, shape[0])
    return sequence(
        shape, _layers().Normalization(mean=mean, variance=variance), _layers().Dense(12)
    )


@row("Rescaling", "CONV_2D", IMAGES)
def rescaling(shape: Shape) -> Any:
    return sequence(shape, _layers().Rescaling(1 / 127.5), conv2d())


@row("Resizing", "RESIZE_BILINEAR CONV_2D", IMAGES)
def resizing(shape: Shape) -> Any:
    return sequence(shape, _layers().Resizing(6, 10), conv2d())


@row("Resizing nearest", "RESIZE_NEAREST_NEIGHBOR CONV_2D", IMAGES)
def resizing_to_nearest(shape: Shape) -> Any:
    return sequence(shape, _layers().Resizing(6, 10, interpolation="nearest"), conv2d())


@row("Lambda/ops.square", f"{FC} DEQUANTIZE SQUARE QUANTIZE", VECTORS, float_tensors=2)
def square(shape: Shape) -> Any:
    import keras

    return sequence(shape, _layers().Dense(12), keras.ops.square)


@row("ops.abs", f"{FC} ABS", VECTORS)
def absolute(shape: Shape) -> Any:
    import keras

    return sequence(shape, _layers().Dense(12), keras.ops.abs)


@row("ops.argmax", "", VECTORS, refused=(None, "C code"))
def argmax(shape: Shape) -> Any:
    import keras

    return sequence(shape, _layers().Dense(12), keras.ops.argmax)


@row("ops.split", f"{FC} SPLIT", VECTORS)
def split(shape: Shape) -> Any:
    import keras

    return sequence(shape, _layers().Dense(12), lambda y: keras.ops.split(y, 2, axis=-1))


@row("ops.mean(axis=1)", f"{CONV1D} MEAN", SEQUENCES)
def mean(shape: Shape) -> Any:
    import keras

    return sequence(shape, conv1d(), lambda y: keras.ops.mean(y, axis=1))


@row("ops.sum", f"{CONV1D} SUM", SEQUENCES)
def total(shape: Shape) -> Any:
    import keras

    return sequence(shape, conv1d(), lambda y: keras.ops.sum(y, axis=1))


@row("ops.log/spec", f"{FC} EXP ADDx2 LOGx2", VECTORS, refused=("dense", "relu"))
def logarithm(shape: Shape) -> Any:
    import keras

    return sequence(
        shape, _layers().Dense(12, activation="softplus"), lambda y: keras.ops.log(y + 0.001)
    )


@row(
    "tf_keras LSTM",
    "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE",
    ((6, 5), (4, 3), (9, 8)),
    library="tf_keras",
)
def lstm_of_tf_keras(shape: Shape) -> Any:
    import tf_keras

    x = tf_keras.Input(shape)
    return tf_keras.Model(x, tf_keras.layers.LSTM(8)(x))


def build(row: Row, shape: Shape) -> Any:
    """The row's model with weights that leave nothing at its neutral value."""
    import keras
    import tf_keras

    for library in (keras, tf_keras):
        library.backend.clear_session()
    keras.utils.set_random_seed(7)
    model = row.build(shape)
    rng = np.random.default_rng(7)
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 2.0), "variance": (0.5, 2.0)}
    for weight in model.weights:
        kind = weight.name.split("/")[-1].split(":")[0]
        if len(weight.shape) == 1 or kind == "bias":
            low, high = ranges.get(kind, (-0.5, 0.5))
            weight.assign(rng.uniform(low, high, weight.shape))
    return model


@dataclass(frozen=True)
class Converted:
    """One row at one shape: its .tflite, or the error that it ended in."""

    row: Row
    shape: Shape
    tflite: bytes | None
    error: TflmExtError | None


def samples(row: Row, shape: Shape, dtype: str) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(3)
    if dtype == "int32":
        return rng.integers(0, 20, (CALIBRATION_SAMPLES, *shape), dtype=np.int32)
    scale = 127.5 if row.name == "Rescaling" else 1.0
    return (scale * rng.standard_normal((CALIBRATION_SAMPLES, *shape))).astype(np.float32)


def child_in(folder: Path) -> Child:
    """The converter's child, that can build the rows."""
    return Child(folder / "log.txt", "tests.keras_layers")


def convert_row(row: Row, child: Child, folder: Path) -> Iterator[Converted]:
    """Convert a row at every shape; the child starts again after a crash."""
    for shape in row.shapes:
        out, calibration = folder / "model.tflite", folder / "calibration.npz"
        layers: dict[str, str] = {}
        try:
            model = child.ask(
                "build", _silent, row=ROWS.index(row), shape=shape, folder=f"{folder}/model"
            )
            layers = model["layers"]
            np.savez(calibration, x000=samples(row, shape, model["dtypes"][0]))
            child.ask(
                "convert",
                _silent,
                calibration=str(calibration),
                dense_per_tensor=False,
                pinned=(),
                out=str(out),
            )
            yield Converted(row, shape, narrow_moves(out.read_bytes()), None)
        except ChildEnded as ended:
            error = explain("convert", ended, layers, child.command)
            yield Converted(row, shape, None, error)
        except TflmExtError as error:
            yield Converted(row, shape, None, error)


def _silent(text: str) -> None:
    """Progress that is ignored."""


def main() -> None:
    import shutil

    from tflm_ext.convert.trace import trace
    from tflm_ext.convert.worker import Converter, serve, start_tensorflow

    converter = Converter()

    def build_row(request: Any, progress: Any) -> dict[str, Any]:
        folder = Path(request["folder"])
        shutil.rmtree(folder, ignore_errors=True)
        trace(build(ROWS[request["row"]], tuple(request["shape"])), folder, lift=False)
        return converter.open(folder)

    start_tensorflow()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        serve({**converter.handlers, "build": build_row}, sys.stdin, answers)


if __name__ == "__main__":
    main()
