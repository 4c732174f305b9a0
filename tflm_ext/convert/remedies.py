"""Remedies for layers and operators that cannot be exported. Does not use TensorFlow.

Remedies for TensorFlow Lite's operators are in tflm_ext.frontend.remedies, because the reader of
.tflite files needs them, too. This module has those for Keras layers and TensorFlow's operators,
which only the converter sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tflm_ext.errors import UnsupportedModelError, UnsupportedOperatorError

UNROLL = "Build the layer with unroll=True, or use tf_keras.layers.LSTM, which is fused."
RECURRENT = frozenset(
    {
        "Bidirectional",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "GRU",
        "LSTM",
        "RNN",
        "SimpleRNN",
    }
)

# For TensorFlow's operators, by the part of their name that reveals what the user wrote.
_OPERATORS = {
    "ArgMax": "Remove argmax from the model, and compute it from the outputs in your C code.",
    "BitwiseAnd": "Remove argmax and bit operations from the model; find the largest output in "
    "your C code.",
    "Conv3D": "Use Conv2D, with the third dimension in the channels.",
    "FFT": "Compute spectra before the model.",
    "Lookup": "Turn words into numbers before the model.",
    "Random": "Use the random layer in training only: random numbers are not reproducible.",
    "String": "Turn text into numbers before the model.",
    "Unique": "Turn words into numbers before the model.",
}
_ANY = "Replace the layer with one listed in docs/reference/operators.md."


def layer_of(path: str, layers: Mapping[str, str]) -> str | None:
    """Return the innermost Keras layer in a node's path.

    Args:
        path: TensorFlow's name of the node, like "model/layer/Op".
        layers: class of every layer, by name; empty if they are not known.
    """
    parts = [p for p in path.split("/")[:-1] if not p.startswith("StatefulPartitionedCall")]
    known = [p for p in parts if p in layers] if layers else parts
    return known[-1] if known else None


def described(name: str, layers: Mapping[str, str]) -> str:
    """Return a layer's name for messages: "'lstm' (LSTM)"."""
    return f"{name!r} ({layers[name]})" if name in layers else repr(name)


def loop_refusal(path: str, layers: Mapping[str, str]) -> UnsupportedModelError:
    """Return the error about a loop at a node's path."""
    layer = layer_of(path, layers)
    where = f"Keras layer {described(layer, layers)}" if layer else "The model"
    return UnsupportedModelError(
        f"{where} runs its steps in a loop, which cannot be converted to int8.", UNROLL
    )


def input_refusal(name: str, dtype: str, layers: Mapping[str, str]) -> UnsupportedModelError:
    """Return the error about an input that is neither float32 nor int32."""
    lookups = [described(layer, layers) for layer, kind in layers.items() if kind == "Embedding"]
    where = f" (Keras layer {', '.join(lookups)})" if lookups else ""
    return UnsupportedModelError(
        f"Input {name!r} is {dtype}{where}, but inputs must be float32, or int32 for an Embedding.",
        "Declare the input as int32: keras.Input(shape, dtype='int32')."
        if lookups
        else "Declare the input as float32, and convert the data.",
    )


def mask_refusal(masks: Iterable[str], layers: Mapping[str, str]) -> UnsupportedOperatorError:
    """Return the error about layers that compute masks, which other layers read."""
    found = ", ".join(described(name, layers) for name in masks)
    return UnsupportedOperatorError(
        f"Masks are not supported; the Keras layer {found} computes one.",
        "Remove Masking layers and mask_zero=True, and train with sequences of full length, padded "
        "with values that the model learns to ignore.",
    )


def crash_refusal(layers: Mapping[str, str]) -> UnsupportedModelError | None:
    """Return the error about a crash of the converter, if a layer is known to cause it."""
    recurrent = [described(name, layers) for name, kind in layers.items() if kind in RECURRENT]
    if not recurrent:
        return None
    return UnsupportedModelError(
        f"The converter crashed on a model with the Keras layer {', '.join(recurrent)}.", UNROLL
    )


def operator_refusal(
    operators: Iterable[str], paths: Iterable[str], layers: Mapping[str, str]
) -> UnsupportedOperatorError:
    """Return the error about TensorFlow operators without an equivalent in TensorFlow Lite.

    Args:
        operators: TensorFlow's names, like "BitwiseAnd".
        paths: of the nodes, if known.
        layers: class of every layer, by name.
    """
    operators = list(operators)
    found = sorted({layer for path in paths if (layer := layer_of(path, layers))})
    where = " (Keras layer " + ", ".join(described(f, layers) for f in found) + ")" if found else ""
    hint = next(
        (remedy for part, remedy in _OPERATORS.items() for name in operators if part in name), _ANY
    )
    return UnsupportedOperatorError(
        f"TensorFlow Lite has no equivalent of {', '.join(operators)}{where}.", hint
    )
