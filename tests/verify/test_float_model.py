"""Warnings about an int8 model that differs from its float model, and when there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.facts import int8_port
from tflm_ext.arithmetic import quantize_array
from tflm_ext.errors import AccuracyError, ConfigError
from tflm_ext.ir.facts import Port
from tflm_ext.report import Accuracy, Int8Error
from tflm_ext.verify.accuracy import measure_accuracy
from tflm_ext.verify.float_model import REMEDY, Findings, check_drop, judge, measure_error

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(5)
COUNT = 400
SCORES = int8_port("scores", (1, 3), 1 / 256, -128)
VALUE = int8_port("value", (1, 1), 0.05, 0)

CLASSES = RNG.integers(0, 3, COUNT)
RIGHT = 0.9 * np.eye(3)[CLASSES] + 0.1 / 3
VALUES = RNG.normal(0, 2, (COUNT, 1))


def as_int8(port: Port, values: Array) -> Array:
    return quantize_array(
        values.astype(np.float32), port.quantization.scale, port.quantization.zero_point
    )


def told(
    port: Port, floats: Array | None, wanted: Array, targets: Array | None = None
) -> tuple[Findings, Accuracy | None, Int8Error | None]:
    """Warnings about an output that differs from the float output."""
    ran = as_int8(port, wanted)
    error = accuracy = None
    if floats is not None:
        data = "calibration_data" if targets is None else "test_data"
        error = measure_error(["out"], [port], data, [floats], [ran])
    if targets is not None:
        accuracy = measure_accuracy(port, targets, floats, ran, ran)
    return judge([accuracy] if accuracy else [], error, [port], ["out"], [ran]), accuracy, error


def wrong(share: float) -> Array:
    """Scores with a fraction of wrong classes."""
    found = RIGHT.copy()
    found[: round(share * COUNT)] = np.roll(found[: round(share * COUNT)], 1, axis=1)
    return found


def test_rounding_alone_is_no_loss() -> None:
    for port, floats, targets in ((SCORES, RIGHT, CLASSES), (VALUE, VALUES, VALUES[:, 0])):
        for given in (None, targets):
            findings, _, error = told(port, floats, floats, given)
            assert findings == Findings()
            assert error is not None
            assert error.outputs[0].ratio is not None
            assert error.outputs[0].ratio < 0.02


@pytest.mark.parametrize(
    ("share", "loud"), [(0, False), (0.01, False), (0.02, False), (0.03, True), (0.5, True)]
)
def test_a_score_that_falls(share: float, loud: bool) -> None:
    findings, accuracy, _ = told(SCORES, RIGHT, wrong(share), CLASSES)
    assert accuracy is not None
    assert accuracy.drop == pytest.approx(share)
    assert bool(findings.losses) is loud


def test_the_text_about_a_score() -> None:
    findings, _, _ = told(SCORES, RIGHT, wrong(0.5), CLASSES)
    assert findings.losses == (
        (
            "Accuracy is lost: accuracy is 1.0000 in float and 0.5000 in int8 on 400 samples, 0.500"
            f" worse (95-percent interval 0.450 to 0.549). {REMEDY}"
        ),
    )


def test_few_samples_prove_nothing() -> None:
    ran = as_int8(SCORES, np.concatenate([np.roll(RIGHT[:1], 1), RIGHT[1:20]]))
    accuracy = measure_accuracy(SCORES, CLASSES[:20], RIGHT[:20], ran, None)
    assert accuracy.drop == 0.05
    assert judge([accuracy], None, [SCORES], ["out"], [ran]) == Findings()


def test_a_score_that_rises_is_no_loss() -> None:
    findings, accuracy, _ = told(SCORES, wrong(0.5), RIGHT, CLASSES)
    assert accuracy is not None
    assert accuracy.drop == -0.5
    assert findings == Findings()


@pytest.mark.parametrize(("noise", "loud"), [(0, False), (0.02, False), (1.0, True)])
def test_an_error_that_rises(noise: float, loud: bool) -> None:
    targets = VALUES + RNG.normal(0, 0.2, VALUES.shape)
    findings, accuracy, _ = told(VALUE, VALUES, VALUES + RNG.normal(0, noise, (COUNT, 1)), targets)
    assert accuracy is not None
    assert accuracy.metric == "mean_absolute_error"
    assert bool(findings.losses) is loud
    if loud:
        assert "of the mean deviation of the targets worse" in findings.losses[0]


def test_a_drop_does_not_depend_on_the_unit() -> None:
    found = []
    for unit in (1, 1000):
        port = int8_port("value", (1, 1), 0.05 * unit, 0)
        _, accuracy, _ = told(port, unit * VALUES, unit * (VALUES + 0.5), unit * VALUES)
        assert accuracy is not None
        found.append(accuracy.drop)
    assert found[0] == pytest.approx(found[1], rel=0.01)
    assert found[0] == pytest.approx(0.5 / np.abs(VALUES).mean(), rel=0.1)


@pytest.mark.parametrize(("noise", "loud"), [(0, False), (0.1, False), (0.3, True), (5, True)])
def test_an_error_without_targets(noise: float, loud: bool) -> None:
    findings, accuracy, _ = told(VALUE, VALUES, VALUES + RNG.normal(0, noise, (COUNT, 1)))
    assert accuracy is None
    assert bool(findings.losses) is loud
    if loud:
        assert findings.losses[0].startswith(
            "Accuracy is lost: output out in int8 differs from float"
        )
        assert "400 samples of calibration_data" in findings.losses[0]


def test_an_offset_between_values_does_not_hide_an_error() -> None:
    # The spread over all values would be 100 times the spread between samples.
    port = int8_port("two", (1, 2), 1.0, -128)
    floats = np.concatenate([VALUES, 200 + VALUES], 1)
    findings, _, error = told(port, floats, floats.round(-1))
    assert error is not None
    assert error.outputs[0].float_std == pytest.approx(2, rel=0.1)
    assert findings.losses


def test_samples_of_one_class_are_no_loss() -> None:
    floats = np.array([0.995, 0.003, 0.002]) + RNG.uniform(-1e-3, 1e-3, (COUNT, 3))
    findings, _, error = told(SCORES, floats, floats)
    assert error is not None
    assert error.outputs[0].ratio is not None
    assert error.outputs[0].ratio > 0.1
    assert findings.losses == ()


def test_only_the_scored_output_is_spared_its_error() -> None:
    ran = [as_int8(SCORES, RIGHT), as_int8(VALUE, VALUES + 3)]
    error = measure_error(["a", "b"], [SCORES, VALUE], "test_data", [RIGHT, VALUES], ran)
    accuracy = measure_accuracy(SCORES, CLASSES, RIGHT, ran[0], None)
    (loss,) = judge([accuracy], error, [SCORES, VALUE], ["a", "b"], ran).losses
    assert "output b in int8 differs from float by" in loss
    assert [row.name for row in error.outputs] == ["a", "b"]


def test_an_output_that_does_not_vary() -> None:
    still = np.full((COUNT, 1), 2.0)
    findings, _, _ = told(VALUE, VALUES, still)
    assert findings.notes == (
        "Output 'out' in int8 is the same, in every byte, for all 400 samples.",
    )
    assert len(findings.losses) == 1
    findings, _, error = told(VALUE, still, still)
    assert findings == Findings(
        notes=("Output 'out' of the float model is the same for all 400 samples.",)
    )
    assert error is not None
    assert error.outputs[0].ratio is None


def test_an_output_that_does_not_vary_is_a_loss_on_few_samples() -> None:
    classes = np.array([0, 0, 0, 1])
    floats = 0.9 * np.eye(3)[classes] + 0.1 / 3
    ran = as_int8(SCORES, np.tile(floats[:1], (4, 1)))
    error = measure_error(["out"], [SCORES], "test_data", [floats], [ran])
    accuracy = measure_accuracy(SCORES, classes, floats, ran, None)
    (loss,) = judge([accuracy], error, [SCORES], ["out"], [ran]).losses
    assert loss == f"Accuracy is lost: output out varies in float, but not in int8. {REMEDY}"


def test_without_a_float_model_nothing_is_compared() -> None:
    findings, accuracy, _ = told(SCORES, None, wrong(0.5), CLASSES)
    assert findings == Findings()
    assert accuracy is not None
    assert (accuracy.float_model, accuracy.drop) == (None, None)


def test_values_that_are_not_finite_are_left_out() -> None:
    floats = VALUES.copy()
    floats[3] = np.inf
    _, _, error = told(VALUE, floats, VALUES)
    assert error is not None
    assert error.outputs[0].ratio is not None
    assert error.outputs[0].ratio < 0.02
    findings, accuracy, error = told(VALUE, np.full_like(VALUES, np.nan), VALUES, VALUES)
    assert findings == Findings()
    assert accuracy is not None
    assert accuracy.drop is None
    assert error is not None
    assert error.outputs[0].ratio is None


@pytest.mark.parametrize(
    ("most", "allowed"), [(None, True), (0.5, True), (0.49, False), (0, False)]
)
def test_the_limit_of_the_user(most: float | None, allowed: bool) -> None:
    _, accuracy, _ = told(SCORES, RIGHT, wrong(0.5), CLASSES)
    if allowed:
        check_drop("net", [accuracy], ["out"], most)
        return
    with pytest.raises(AccuracyError) as caught:
        check_drop("net", [accuracy], ["out"], most, ["Feature 3 is small."])
    assert caught.value.problem == (
        "net loses too much in int8: accuracy is 1.0000 in float and 0.5000 in int8 on 400"
        f" samples, 0.5000 worse; max_accuracy_drop allows {most:g}."
    )
    assert caught.value.hint == f"{REMEDY} Feature 3 is small."
    assert (caught.value.drop, caught.value.limit, caught.value.exit_code) == (0.5, most, 4)


def test_a_limit_of_what_is_not_known() -> None:
    _, accuracy, _ = told(SCORES, None, RIGHT, CLASSES)
    _, same, _ = told(VALUE, VALUES, VALUES, np.full(COUNT, 0.3))
    for unknown in ([], [accuracy], [same]):
        with pytest.raises(ConfigError, match="the loss of net in int8 is not known"):
            check_drop("net", unknown, ["out"], 0.02)


def test_the_scores_of_several_outputs() -> None:
    """Each output is judged by its own score, and the worst one decides."""
    ran = [as_int8(SCORES, RIGHT), as_int8(SCORES, wrong(0.5))]
    scores = [measure_accuracy(SCORES, CLASSES, RIGHT, ran[i], None, output=i) for i in (0, 1)]
    error = measure_error(["a", "b"], [SCORES] * 2, "test_data", [RIGHT, RIGHT], ran)
    (loss,) = judge(scores, error, [SCORES] * 2, ["a", "b"], ran).losses
    assert loss.startswith("Accuracy is lost: accuracy of output b is 1.0000 in float and 0.5000")
    (loss,) = judge(scores[1:], error, [SCORES] * 2, ["a", "b"], ran).losses
    assert "output b" in loss
    check_drop("net", scores[:1], ["a", "b"], 0.1)
    with pytest.raises(AccuracyError, match="accuracy of output b is"):
        check_drop("net", scores, ["a", "b"], 0.1)
