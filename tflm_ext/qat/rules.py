"""Which layers of Keras become which operators of TensorFlow Lite, and where those round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tflm_ext.qat.expansion import (
    OWN,
    SAME,
    Expansion,
    Keep,
    Piece,
    Rule,
    activation_name,
    clone,
    last_axis,
    like,
)
from tflm_ext.qat.flatten import Call, Flat
from tflm_ext.qat.layers import QuantizedAffine
from tflm_ext.qat.linear import KINDS


def _unknown(model: Expansion, call: Call) -> None:
    model.refuse(
        call,
        "Replace it with a layer listed in docs/how-to/quantize-aware.md, or skip "
        "quantize_aware() and pass calibration_data to export().",
    )


def _weighted(model: Expansion, call: Call) -> None:
    model.weighted(call)


def _moves(model: Expansion, call: Call) -> None:
    model.copied(call, SAME)


def _computes(model: Expansion, call: Call) -> None:
    model.copied(call, OWN)


def _compares(model: Expansion, call: Call) -> None:
    if len(call.inputs) < 2:
        model.refuse(call, "Compare two tensors; for a bound of zero or six, use relu or relu6.")
    model.copied(call, SAME)


def _combines(model: Expansion, call: Call) -> None:
    """Add an operator for two tensors, or a tensor and a constant; repeat it for more tensors."""
    if len(call.inputs) <= 2:
        model.copied(call, OWN, fuses=True)
        return
    first, *others = call.inputs
    (out,) = call.outputs
    for i, other in enumerate(others):
        result = out if other is others[-1] else like(out)
        layer = model.once(
            call,
            str(i),
            lambda: type(call.operation)(name=model.name(call.operation.name)),
        )
        model.emit(Piece(layer, ([first, other],), (result,), OWN, fuses=True))
        first = result


def _normalises(model: Expansion, call: Call) -> None:
    """MUL and ADD of a layer that is not folded."""
    if call.kind == "BatchNormalization" and not last_axis(call):
        model.refuse(call, "Normalise the last axis.")
    old = call.operation

    def make() -> Any:
        new = clone(old)
        model.twins.append((old, (new,)))
        return QuantizedAffine(new, name=model.name(old.name))

    layer = model.once(call, "", make)
    fixed = {"training": call.kwargs["training"]} if "training" in call.kwargs else {}
    model.emit(Piece(layer, tuple(call.inputs), call.outputs, OWN, fixed, fuses=True))


def _activates(model: Expansion, call: Call) -> None:
    model.activate(call, call.inputs[0], activation_name(call.operation))


def _named(activation: str) -> Callable[[Expansion, Call], None]:
    def rule(model: Expansion, call: Call) -> None:
        axis = getattr(call.operation, "axis", -1)
        if activation == "softmax" and axis not in {-1, len(call.inputs[0].shape) - 1}:
            model.refuse(call, "Compute the softmax along the last axis.")
        model.activate(call, call.inputs[0], activation)

    return rule


def _relu(model: Expansion, call: Call) -> None:
    layer = call.operation
    if layer.threshold == 0 and layer.negative_slope == 0 and layer.max_value in {None, 6}:
        model.activate(call, call.inputs[0], "relu" if layer.max_value is None else "relu6")
    elif layer.threshold == 0 and layer.max_value is None:
        model.copied(call, OWN)
    else:
        model.refuse(call, "Use ReLU() or ReLU(6.0).")


def _dot(model: Expansion, call: Call) -> None:
    if call.operation.normalize:
        model.refuse(call, "Use Dot without normalize=True.")
    model.copied(call, OWN)


_GROUPS: Mapping[Rule, str] = {
    _weighted: " ".join([*KINDS, "SeparableConv1D", "SeparableConv2D"]),
    _moves: """
        ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity
        SpatialDropout1D SpatialDropout2D
        RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom
        AveragePooling1D AveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D MaxPooling1D
        MaxPooling2D Max
        Concatenate Cropping1D Cropping2D ExpandDims Flatten GetItem Pad Permute RepeatVector
        Reshape Resizing Split Squeeze Stack Transpose UpSampling1D UpSampling2D ZeroPadding1D
        ZeroPadding2D
    """,
    _compares: "Maximum Minimum",
    _combines: "Add Multiply Subtract",
    _computes: """
        Absolute GlobalAveragePooling1D GlobalAveragePooling2D LeakyReLU LeakyRelu Matmul Mean
        PReLU Sum
    """,
    _normalises: "BatchNormalization Normalization Rescaling",
    _activates: "Activation",
    _relu: "ReLU",
    _dot: "Dot",
    **{
        _named(activation): kinds
        for activation, kinds in {
            "hard_sigmoid": "HardSigmoid",
            "hard_silu": "HardSilu",
            "relu": "Relu",
            "relu6": "Relu6",
            "sigmoid": "Sigmoid",
            "silu": "Silu",
            "softmax": "Softmax",
            "tanh": "Tanh",
        }.items()
    },
}
_RULES: Mapping[str, Rule] = {kind: rule for rule, text in _GROUPS.items() for kind in text.split()}


def expand(flat: Flat, keep: Callable[[Any], Keep]) -> Expansion:
    """The pieces of a model.

    Args:
        flat: the model.
        keep: decides for each kernel what training must preserve.

    Raises:
        UnsupportedModelError: a layer has no quantisation-aware form.
    """
    return Expansion(flat, lambda kind: _RULES.get(kind, _unknown), keep)
