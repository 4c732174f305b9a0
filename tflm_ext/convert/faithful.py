"""Checks that the graph to be converted computes the same as the model.

The graph computes one sample after another, with inputs in a flat order. The model is called the
way users call it: with a batch, in its own lists and dicts, which this module fills by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.order import input_structure, open_inputs, output_structure
from tflm_ext.convert.order import keras_output_names as keras_names
from tflm_ext.convert.policies import in_float32
from tflm_ext.convert.samples import InputSpec
from tflm_ext.convert.structure import bare, leaves, like, named
from tflm_ext.errors import TflmExtError, UnsupportedModelError, VerificationError

Array: TypeAlias = np.ndarray[Any, Any]
Reference: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns outputs by name, samples first, for samples by input name."""

SAMPLES = 8
_EXACT = 1e-4  # of an output's range
_COARSE = 2e-2  # if rounding to 8 bits, or to half precision, turns noise into steps
_RELATIVE = 1e-5  # of an output's largest value: float32 has 24 bits


def model_reference(model: Any) -> Reference:
    """Return a function that calls a Keras model with its own structure of inputs."""
    ports, taken, given = open_inputs(model), input_structure(model), output_structure(model)
    input_names = {port.path: port.name for port in ports}
    left = list(zip(model.outputs, keras_names(model, len(model.outputs)), strict=True))
    paths, layers = [], []
    for path, tensor in leaves(bare(given)):
        place = next(i for i, (output, _) in enumerate(left) if output is tensor)
        paths.append(path)
        layers.append(left.pop(place)[1])
    output_names = dict(zip(paths, named(paths, layers), strict=True))

    def call(samples: Mapping[str, Any]) -> dict[str, Any]:
        with in_float32(model):
            result = model(like(taken, lambda path: samples[input_names[path]]), training=False)
        return {output_names[path]: value for path, value in leaves(bare(result))}

    return call


def chosen(columns: Sequence[Array]) -> list[Array]:
    """Choose a few samples of every input, spread evenly."""
    count = len(columns[0])
    places = np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).astype(int))
    return [column[places] for column in columns]


def drawn(inputs: Sequence[InputSpec]) -> list[Array]:
    """Return samples for a model without data, always the same; integers are 0 or 1."""
    random = np.random.default_rng(0)
    return [
        random.integers(2, size=(SAMPLES, *b.sample)).astype(b.dtype)
        if np.dtype(b.dtype).kind in "iu"
        else random.normal(size=(SAMPLES, *b.sample)).astype(b.dtype)
        for b in inputs
    ]


def check(
    reference: Reference,
    samples: Mapping[str, Array],
    traced: Mapping[str, Array],
    *,
    coarse: bool,
) -> list[str]:
    """Compare the graph's results with the model's.

    Args:
        reference: the model.
        samples: by input name, samples first.
        traced: the graph's results for these samples, by output name, in order.
        coarse: whether the graph rounds to 8 or 16 bits anywhere.

    Returns:
        Warnings about outputs that Keras itself computes differently for a batch.

    Raises:
        VerificationError: an output differs from the model's.
        UnsupportedModelError: an output is random, or depends on other samples of the batch, or the
            model cannot be run.
    """
    limit = _COARSE if coarse else _EXACT
    batch = _run(reference, samples)
    alone: dict[str, Array] = {}
    found = []
    for name, got in traced.items():
        off = difference(batch[name], got)
        if off <= limit:
            continue
        alone = alone or _run_singly(reference, samples)
        if difference(alone[name], got) > limit:
            again = _run_singly(reference, samples)
            raise _refusal(name, batch[name], got, difference(alone[name], again[name]) > limit)
        if off > _COARSE:
            raise UnsupportedModelError(
                f"Output {name!r} of a sample depends on the other samples of its batch: on its "
                f"own it differs by {_percent(off)}.",
                "The firmware runs one sample at a time: remove layers that compute over axis 0, "
                "the batch.",
            )
        found.append(
            f"Output {name!r} of the Keras model itself differs by {_percent(off)} between a batch"
            " and single samples; the firmware runs single samples."
        )
    return found


def difference(expected: Array, got: Array) -> float:
    """Return the largest difference of two outputs, as a fraction of the first one's range.

    Values that are NaN or infinite in both are ignored. The result is infinite for different
    shapes, for values that are finite in only one of them, and for a constant output that differs.
    """
    if expected.shape != got.shape:
        return math.inf
    expected, got = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)):
        return math.inf
    if not finite.any():
        return 0.0
    expected, got = expected[finite], got[finite]
    beyond = float(np.abs(expected - got).max() - _RELATIVE * np.abs(expected).max())
    span = float(np.ptp(expected))
    return 0.0 if beyond <= 0 else beyond / span if span else math.inf


def _refusal(name: str, expected: Array, got: Array, random: bool) -> TflmExtError:
    if random:
        return UnsupportedModelError(
            f"Output {name!r} is random: the model returns different values for the same sample.",
            "Use the random layer in training only: random numbers are not reproducible.",
        )
    off = difference(expected, got)
    how = f"differs by {_percent(off)}"
    if expected.shape != got.shape:
        how = f"has the shape {got.shape[1:]} instead of {expected.shape[1:]}"
    elif math.isinf(off):
        how = "has different values"
    return VerificationError(
        f"The graph to be converted does not compute the same as the model: output {name!r} {how}.",
        "Nothing was exported. Please report this bug with the model; lists instead of dicts for"
        " inputs and outputs may avoid it.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} % of its range" if math.isfinite(share) else "more than its range"


def _run(reference: Reference, samples: Mapping[str, Array]) -> dict[str, Array]:
    """Return the reference's outputs for a batch, or for single samples if it refuses batches."""
    try:
        return _call(reference, samples)
    except _errors():
        return _run_singly(reference, samples)


def _run_singly(reference: Reference, samples: Mapping[str, Array]) -> dict[str, Array]:
    count = len(next(iter(samples.values())))
    try:
        rows = [
            _call(reference, {name: column[i : i + 1] for name, column in samples.items()})
            for i in range(count)
        ]
    except _errors() as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UnsupportedModelError(
            f"The model cannot be run on samples: {said[0]}",
            "Call it yourself on one sample, for example model(x[:1]), and fix the error.",
        ) from error
    return {name: np.concatenate([np.atleast_1d(row[name]) for row in rows]) for name in rows[0]}


def _call(reference: Reference, samples: Mapping[str, Array]) -> dict[str, Array]:
    import tensorflow as tf

    # On a GPU, TensorFlow multiplies with 10 bits.
    with tf.device("CPU:0"):
        given = {name: tf.constant(column) for name, column in samples.items()}
        return {name: np.asarray(value) for name, value in reference(given).items()}


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of Keras and TensorFlow about batches that a model does not accept."""
    import tensorflow as tf

    return tf.errors.OpError, TypeError, ValueError
