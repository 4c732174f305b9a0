"""Inputs whose scale and zero point are fixed before the conversion, by the pipeline before them.

The converter would choose its own from the calibration data, and every byte of the features would
be a different number to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.frontend import input_ports, read_graph

Pinned: TypeAlias = tuple[tuple[float, int], ...]
"""Scale and zero point of each input; () if the converter chooses them."""


def require_inputs(pinned: Pinned, names: Sequence[str]) -> None:
    """Require as many inputs as are pinned.

    Raises:
        ConfigError: there are more or fewer.
    """
    if pinned and len(names) != len(pinned):
        raise ConfigError(
            f"The model has {len(names)} inputs, but a pipeline gives the values of one.",
            "Export a model with one input, or without pipeline=.",
        )


@contextmanager
def pinned_inputs(pinned: Sequence[Sequence[Any]]) -> Iterator[None]:
    """Let conversions inside quantise the inputs of the model with these scales and zero points.

    The converter has no option for it. It calibrates a float .tflite, whose tensors then have their
    smallest and largest values, and quantises it according to these; in between, those of the
    inputs are replaced.
    """
    from tensorflow.lite.python import lite

    if not pinned:
        yield
        return
    quantize = lite._mlir_quantize

    def replaced(calibrated: bytes, *arguments: Any, **options: Any) -> Any:
        return quantize(_with_ranges(calibrated, pinned), *arguments, **options)

    lite._mlir_quantize = replaced
    try:
        yield
    finally:
        lite._mlir_quantize = quantize


def _with_ranges(calibrated: bytes, pinned: Sequence[Sequence[Any]]) -> bytes:
    """Return a calibrated .tflite whose inputs have the ranges of these scales and zero points.

    The order of its inputs is not known, but there is only one.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    (only,) = pinned
    scale, zero_point = only
    buffer = bytearray(calibrated)
    graph = schema.Model.GetRootAs(buffer).Subgraphs(0)
    quantization = graph.Tensors(graph.Inputs(0)).Quantization()
    # Views of the buffer. Pinned scales have few bits, so both ends are exact float32 values.
    quantization.MinAsNumpy()[0] = scale * (-128 - zero_point)
    quantization.MaxAsNumpy()[0] = scale * (127 - zero_point)
    return bytes(buffer)


def check_pinned(model: bytes, pinned: Pinned) -> None:
    """Require that a .tflite takes the values that were pinned, without converting them first.

    Raises:
        ConfigError: it has more inputs, or one with another scale or zero point.
        UnsupportedModelError: its first operator requantises the input.
    """
    if not pinned:
        return
    graph = read_graph(model, "model", run=_not_run)
    ports = input_ports(graph)
    require_inputs(pinned, [port.name or port.tensor_name for port in ports])
    for port, (scale, zero_point) in zip(ports, pinned, strict=True):
        own = port.quantization
        if own is None or (np.float32(own.scale), own.zero_point) != (
            np.float32(scale),
            zero_point,
        ):
            has = "integers" if own is None else f"scale {own.scale!r}, zero point {own.zero_point}"
            raise ConfigError(
                f"The model's input has {has}, but the pipeline gives values with scale {scale!r}, "
                f"zero point {zero_point}.",
                "Export the Keras model with this pipeline, or use the pipeline that the model was "
                "trained with.",
            )
    for node in graph.nodes:
        if node.operator == "QUANTIZE" and set(node.inputs) & set(graph.inputs):
            raise UnsupportedModelError(
                "The model requantises its input before the first layer, which would lose some of "
                "the pipeline's resolution.",
                "Feed the features to one layer only, or export without pipeline=.",
            )


def _not_run(*arguments: Any) -> Any:
    raise UnsupportedModelError(
        "The model computes in float32 between its int8 layers.",
        "Convert the Keras model instead; export() takes it directly.",
    )
