"""Compares the int8 model with its float model, and judges the differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import AccuracyError, ConfigError
from tflm_ext.ir.facts import Port
from tflm_ext.report import Accuracy, Int8Error, OutputError
from tflm_ext.verify.vectors import real_values

Array: TypeAlias = np.ndarray[Any, Any]

# Of 39 trained nets, those that lost accuracy were at 0.15 or more; 27 of the others were below
# 0.06. See docs/explanation/int8-error.md.
LARGE_ERROR = 0.1
LARGE_DROP = 0.02
REMEDY = (
    "Scale all input features to a similar range, for example with Normalization at the head of the"
    " Keras model; if that does not help, train with quantize_aware(). See"
    " docs/how-to/keep-accuracy.md."
)

_FIXED_SCALES = {1 / 256, 1 / 128}  # of softmax, sigmoid and tanh, for all values
_ROUNDING = 2  # steps of such a scale that are not significant
_TOLERANCE = 1e-9  # of differences of floating-point scores
_METRICS = {"accuracy": "accuracy", "mean_absolute_error": "mean absolute error"}


@dataclass(frozen=True, slots=True)
class Findings:
    """Warnings for the user, one sentence each.

    Attributes:
        losses: about lost accuracy.
        notes: about outputs that do not vary.
    """

    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def measure_error(
    names: Sequence[str],
    outputs: Sequence[Port],
    data: str,
    floats: Sequence[Array],
    quantised: Sequence[Array],
) -> Int8Error:
    """Measure the differences between the int8 outputs and the float outputs.

    Args:
        names: of the outputs.
        outputs: scales and zero points.
        data: source of the samples, "calibration_data" or "test_data".
        floats: outputs of the float model, samples first.
        quantised: int8 outputs of TFLM, samples first.
    """
    rows = tuple(
        _output_error(name, port, values, ran)
        for name, port, values, ran in zip(names, outputs, floats, quantised, strict=True)
    )
    return Int8Error(data, len(floats[0]), rows)


def _output_error(name: str, port: Port, floats: Array, quantised: Array) -> OutputError:
    wanted = floats.reshape(len(floats), -1).astype(np.float64)
    got = real_values(port, quantised).reshape(wanted.shape)
    finite = np.isfinite(wanted).all(1)
    if not finite.any():
        return OutputError(name, None, None, None)
    wanted, got = wanted[finite], got[finite].astype(np.float64)
    rms = float(np.sqrt(np.mean((got - wanted) ** 2)))
    # Deviation between samples, which is the part that depends on the input.
    deviation = float(np.sqrt(np.mean(wanted.var(0))))
    varies = deviation > 1e-6 * float(np.abs(wanted).max())
    return OutputError(name, deviation, rms, rms / deviation if varies else None)


def judge(
    scores: Sequence[Accuracy],
    error: Int8Error | None,
    outputs: Sequence[Port],
    names: Sequence[str],
    quantised: Sequence[Array],
) -> Findings:
    """Judge an int8 model, and return what to tell the user.

    An output is judged by its score, if there is one, and a float model to compare with; otherwise
    by its error.

    Args:
        scores: of the outputs that have targets.
        error: None without a float model.
        outputs: scales and zero points.
        names: of the outputs.
        quantised: int8 outputs of TFLM, samples first.
    """
    losses: list[str] = []
    notes: list[str] = []
    for i, (name, port, ran) in enumerate(zip(names, outputs, quantised, strict=True)):
        row = error.outputs[i] if error is not None else None
        notes += _still(name, ran, row)
        if row is None or error is None:
            continue
        score = next((score for score in scores if score.output == i), None)
        if score is not None and score.drop is not None:
            found = [*_lost_score(score, name if len(names) > 1 else None)]
        else:
            found = [*_lost_output(row, port, error)]
        losses += found or _lost_variation(row, port, ran)
    return Findings(tuple(f"{text} {REMEDY}" for text in losses), tuple(notes))


def _lost_score(accuracy: Accuracy, output: str | None) -> Iterator[str]:
    if accuracy.drop is None or accuracy.drop_interval is None:
        return
    drop, interval = accuracy.drop, accuracy.drop_interval
    if drop > LARGE_DROP + _TOLERANCE and interval[0] > 0:
        unit = "" if accuracy.metric == "accuracy" else " of the mean deviation of the targets"
        yield (
            f"Accuracy is lost: {describe_scores(accuracy, output)}, {drop:.3f}{unit} worse"
            f" (95-percent"
            f" interval {interval[0]:.3f} to {interval[1]:.3f})."
        )


def describe_scores(accuracy: Accuracy, output: str | None) -> str:
    """Return both scores of an output, as part of a sentence; with its name if it is not None."""
    where = f" of output {output}" if output is not None else ""
    return (
        f"{_METRICS[accuracy.metric]}{where} is {accuracy.float_model:.4f} in float and"
        f" {accuracy.int8_tflm:.4f} in int8 on {accuracy.samples:,} samples"
    )


def _lost_output(row: OutputError, port: Port, error: Int8Error) -> Iterator[str]:
    if row.ratio is None or row.rms_error is None or row.ratio <= LARGE_ERROR:
        return
    if port.step in _FIXED_SCALES and row.rms_error < _ROUNDING * port.step:
        return  # all samples of one class, for example
    yield (
        f"Accuracy is lost: output {row.name} in int8 differs from float by {row.ratio:.2f} of its"
        f" standard deviation (RMS, {error.samples:,} samples of {error.data}; above {LARGE_ERROR}"
        " is large)."
    )


def _lost_variation(row: OutputError, port: Port, ran: Array) -> Iterator[str]:
    """Yield a warning if an int8 output does not vary, which a score of few samples can miss."""
    varies = (row.float_std or 0.0) > _ROUNDING * port.step and row.ratio is not None
    if len(ran) > 1 and varies and (ran == ran[:1]).all():
        yield f"Accuracy is lost: output {row.name} varies in float, but not in int8."


def _still(name: str, ran: Array, row: OutputError | None) -> Iterator[str]:
    """A note about an output that does not vary."""
    if len(ran) < 2:
        return
    if row is not None and row.float_std is not None and row.ratio is None:
        yield f"Output {name!r} of the float model is the same for all {len(ran):,} samples."
    elif (ran == ran[:1]).all():
        yield f"Output {name!r} in int8 is the same, in every byte, for all {len(ran):,} samples."


def check_drop(
    name: str,
    scores: Sequence[Accuracy],
    outputs: Sequence[str],
    most: float | None,
    causes: Sequence[str] = (),
) -> None:
    """Refuse a model if one of its outputs loses more than the user allows.

    Args:
        name: of the model.
        scores: of the outputs that have targets.
        outputs: names of all outputs.
        most: max_accuracy_drop of export(); None allows any loss.
        causes: further sentences for the hint.

    Raises:
        AccuracyError: an output loses more.
        ConfigError: the loss is not known.
    """
    if most is None:
        return
    if not scores or any(score.drop is None for score in scores):
        raise ConfigError(
            f"max_accuracy_drop: the loss of {name} in int8 is not known, because there is no float"
            " model, its score is not finite, or all targets are the same.",
            "Pass the Keras model, and test_data with different targets, or omit the limit.",
        )
    worst = max(scores, key=lambda score: score.drop or 0.0)
    drop = worst.drop or 0.0
    if drop > most + _TOLERANCE:
        unit = "" if worst.metric == "accuracy" else " of the mean deviation of the targets"
        output = outputs[worst.output] if len(outputs) > 1 else None
        raise AccuracyError(
            f"{name} loses too much in int8: {describe_scores(worst, output)}, {drop:.4f}{unit}"
            f" worse; max_accuracy_drop allows {most:g}.",
            " ".join((REMEDY, *causes)),
            drop=drop,
            limit=most,
        )
