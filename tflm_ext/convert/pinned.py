"""Inputs whose scale and zero point are fixed before the conversion, by the pipeline before them.

The converter would choose its own from the calibration data, and every byte of the features would
be a different number to the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.ir import Quantization
from tflm_ext.signals import Pipeline


class PinnedInput(NamedTuple):
    """What an input receives.

    Attributes:
        shape: of a sample, without the batch.
    """

    scale: float
    zero_point: int
    shape: tuple[int, ...]

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether an input with this shape takes the same values in the same order.

        Sizes of 1 make no difference, and one of both may be flat. Any other shape with as many
        values may be a transposed one.
        """
        if math.prod(shape) != math.prod(self.shape):
            return False
        own, other = ([size for size in sizes if size != 1] for sizes in (self.shape, shape))
        return own == other or len(own) <= 1 or len(other) <= 1


Pinned: TypeAlias = tuple[PinnedInput, ...]
"""What each input receives; () if the converter chooses scales and zero points."""


def pinned_by(pipeline: Pipeline | None) -> Pinned:
    """Return what the model's only input receives from a pipeline."""
    if pipeline is None:
        return ()
    spec = pipeline.out
    return (PinnedInput(spec.scale, spec.zero_point, spec.shape),)


def require_inputs(pinned: Pinned, names: Sequence[str], shapes: Sequence[Sequence[int]]) -> None:
    """Require as many inputs as are pinned, which take what they receive.

    Args:
        shapes: of the inputs, with the batch.

    Raises:
        ConfigError: there are more or fewer, or one has another shape.
    """
    if pinned and len(names) != len(pinned):
        raise ConfigError(
            f"The model has {len(names)} inputs, but a pipeline gives the values of one.",
            "Export a model with one input, or without pipeline=.",
        )
    for own, shape in zip(pinned, shapes, strict=False):
        if not own.fits(shape[1:]):
            raise ConfigError(
                f"The model's input has the shape {_size(shape[1:])}, but the pipeline gives "
                f"{_size(own.shape)}.",
                f"Begin the model with keras.Input({tuple(own.shape)}), or change Frames or Stack.",
            )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def shaped_like(
    given: Mapping[str, Any], pinned: Pinned, shapes: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return data whose arrays of a pipeline's features have the shapes of the model's inputs.

    Args:
        given: data by argument.
        shapes: of the inputs, with the batch.
    """
    found = dict(given)
    for own, shape in zip(pinned, shapes, strict=False):
        for what, data in given.items():
            if isinstance(data, np.ndarray) and data.shape[1:] == tuple(own.shape):
                found[what] = data.reshape(len(data), *shape[1:])
    return found


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
    scale, zero_point, _ = only
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
        ConfigError: it has more inputs, or one with another shape, scale or zero point.
        UnsupportedModelError: its first operator requantises the input.
    """
    if not pinned:
        return
    graph = read_graph(model, "model", run=_not_run)
    ports = input_ports(graph)
    names = [port.name or port.tensor_name for port in ports]
    require_inputs(pinned, names, [port.shape for port in ports])
    for port, (scale, zero_point, _) in zip(ports, pinned, strict=True):
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
                f"trained with{_as_they_are(own)}.",
            )
    for node in graph.nodes:
        if node.operator == "QUANTIZE" and set(node.inputs) & set(graph.inputs):
            raise UnsupportedModelError(
                "The model requantises its input before the first layer, which would lose some of "
                "the pipeline's resolution.",
                "Feed the features to one layer only, or export without pipeline=.",
            )


def _as_they_are(own: Quantization | None) -> str:
    """Return the way out if the model was trained on the pipeline's bytes under other numbers."""
    if own is None:
        return ""
    called = f"Pipeline(..., quantization=({own.scale!r}, {own.zero_point}))"
    return f"; if it takes the same bytes, pass {called}"


def _not_run(*arguments: Any) -> Any:
    raise UnsupportedModelError(
        "The model computes in float32 between its int8 layers.",
        "Convert the Keras model instead; export() takes it directly.",
    )
