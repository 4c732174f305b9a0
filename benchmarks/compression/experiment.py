"""What an experiment of this benchmark is, and how its models are measured."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tflm_ext
from tflm_ext.convert import convert
from tflm_ext.plan.footprint import context_bytes
from tflm_ext.stages import Options, analyse
from tflm_ext.targets import default_board
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import quantize, real_values

Array = np.ndarray[Any, Any]
Score = Callable[[Array], float]
"""From outputs (samples, *shape) to a number; larger is better."""


@dataclass(frozen=True)
class Row:
    """One model of one seed.

    Attributes:
        way: how it came about; rows of the same way are averaged over the seeds.
        float_score: of the Keras model on the test data; None if it was not measured.
        score: of its int8 form in TensorFlow Lite Micro, on the same data; None likewise.
        parameters: numbers in the Keras model.
        macs: multiply-accumulate operations of one inference, counted in the .tflite.
        weight_bytes, tflite_bytes, ram_bytes: as planned for the compiled runtime.
        more: further numbers, by name.
    """

    way: str
    seed: int
    float_score: float | None = None
    score: float | None = None
    parameters: int | None = None
    macs: int | None = None
    weight_bytes: int | None = None
    tflite_bytes: int | None = None
    ram_bytes: int | None = None
    more: dict[str, float] | None = None


@dataclass(frozen=True)
class Experiment:
    """What is measured, and on what.

    Attributes:
        name: of its results file.
        title: of its table.
        metric: what a score is.
        about: Markdown: data, split, every net's architecture, how many epochs each way had.
        seeds: how many are run.
        measure: all rows of a seed.
    """

    name: str
    title: str
    metric: str
    about: str
    seeds: int
    measure: Callable[[int], Sequence[Row]]


def accuracy(y: Array) -> Score:
    """The accuracy."""
    return lambda outputs: float(np.mean(outputs.reshape(len(y), -1).argmax(-1) == y))


def evaluate(
    way: str,
    seed: int,
    model: Any,
    calibration: Array | None,
    x: Array,
    score: Score,
    **more: float,
) -> Row:
    """Convert, plan, and run on test data; the model is not changed.

    Args:
        model: of either Keras, quantisation-aware or not.
        calibration: (samples, *input); None for a quantisation-aware model.
        x: (samples, *input) of the test data.
        score: of the first output.
    """
    int8 = convert(model, calibration, test_inputs=x, progress=lambda text: None, lift=False).int8
    analysis = analyse(int8, Options("measured", default_board()))
    plan, graph = analysis.plan, analysis.graph
    (source,), result = analysis.facts.inputs, analysis.facts.outputs[0]
    (inputs,) = quantize([source], [x])
    run = run_tflm(
        int8.bytes, [inputs], len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True
    )
    outputs = real_values(result, run.outputs[0])
    assert int8.float_outputs is not None  # there are test inputs
    return Row(
        way,
        seed,
        score(int8.float_outputs[0]),
        score(outputs),
        plain(model).count_params(),
        analysis.facts.macs,
        plan.weight_bytes,
        len(int8.bytes),
        context_bytes(plan),
        more or None,
    )


def plain(model: Any) -> Any:
    """A model without what quantisation-aware training adds."""
    try:
        return tflm_ext.strip(model)
    except tflm_ext.ConfigError:
        return model  # it is plain
