"""Accuracy of TFLM and the C: choice of the metric, and targets that do not match."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.models import image_net
from tflm_ext.errors import ConfigError
from tflm_ext.frontend import input_ports, output_ports, read_graph
from tflm_ext.report import Accuracy
from tflm_ext.verify.accuracy import measure_accuracy
from tflm_ext.verify.targets import by_output
from tflm_ext.verify.tflm_child import compute
from tflm_ext.verify.vectors import make_vectors

COUNT = 64
MODEL = image_net()
GRAPH = read_graph(MODEL, "net")
INPUTS = make_vectors(input_ports(GRAPH), seed=9)
PORT = output_ports(GRAPH)[0]
OUTPUTS = compute(MODEL, INPUTS, 1, 1 << 20)[0][0].reshape(COUNT, 3)
PROBABILITIES = (OUTPUTS.astype(np.float64) + 128) / 256


def measure(targets: np.ndarray, floats: np.ndarray | None = None) -> Accuracy:
    return measure_accuracy(PORT, targets, floats, OUTPUTS, OUTPUTS)


@pytest.mark.parametrize("shape", ["classes", "column", "one-hot"])
def test_classes(shape: str) -> None:
    right = OUTPUTS.argmax(1)
    wrong = np.where(np.arange(COUNT) < 16, (right + 1) % 3, right)
    targets = {"classes": wrong, "column": wrong[:, None], "one-hot": np.eye(3)[wrong]}[shape]
    found = measure(targets, floats=np.eye(3)[right])
    assert (found.metric, found.samples) == ("accuracy", COUNT)
    assert (found.float_model, found.int8_tflm, found.int8_c, found.drop) == (0.75, 0.75, 0.75, 0)


def test_values() -> None:
    found = measure(PROBABILITIES + 0.25)
    assert found.metric == "mean_absolute_error"
    assert found.float_model is None
    assert found.int8_tflm == found.int8_c == pytest.approx(0.25)


def test_a_float_model_that_overflows_has_no_error() -> None:
    found = measure(PROBABILITIES + 0.25, floats=np.full((COUNT, 3), np.nan))
    assert found.float_model is None


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (
            np.zeros(5, np.int64),
            (
                "The test data has 64 inputs, but 5 targets.\n"
                "Pass test_data=(x, y) with x and y of the same length."
            ),
        ),
        (
            np.full(COUNT, 3),
            (
                "Targets with the shape [64] do not match an output with 3 values.\n"
                "Pass class numbers, one-hot rows, or values in the output's shape."
            ),
        ),
    ],
)
def test_targets_that_do_not_fit(targets: np.ndarray, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        measure(targets)
    assert str(caught.value) == text


ONE, TWO = np.arange(4), np.ones((4, 2))


@pytest.mark.parametrize(
    ("names", "given", "found"),
    [
        ("a", None, [None]),
        ("a", ONE, [ONE]),
        ("a", [0, 1, 2, 3], [ONE]),
        ("a", {"a": ONE}, [ONE]),
        ("ab", ONE, [ONE, None]),
        ("ab", {"b": TWO}, [None, TWO]),
        ("ab", {"b": TWO, "a": [0, 1, 2, 3]}, [ONE, TWO]),
        ("ab", [ONE, TWO], [ONE, TWO]),
        ("ab", (None, TWO), [None, TWO]),
        ("ab", [0, 1], [ONE[:2], None]),
        ("abcd", [0, 1, 2, 3], [ONE, None, None, None]),
    ],
    ids=str,
)
def test_targets_of_every_output(names: str, given: Any, found: list[Any]) -> None:
    for one, other in zip(by_output(given, list(names)), found, strict=True):
        assert (one is None) == (other is None)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"c": ONE}, "The targets are of 'c', which is not an output.\nThe outputs are a, b."),
        ({}, "The targets are an empty dict.\nThe outputs are a, b."),
        ({"b": ["x", "y"]}, "The targets of output 'b' are class names, but there are no labels."),
        ([None, [[1], [1, 2]]], "The targets of output 'b' are not an array."),
        ([ONE, TWO * np.nan], "The targets of output 'b' include NaN or infinity."),
    ],
    ids=str,
)
def test_targets_that_are_refused(given: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        by_output(given, ["a", "b"])
    assert str(caught.value).startswith(text)
