"""Measures a model's scores and sizes, in float and in int8."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tflm_ext.compression.channels.report import Sizes
from tflm_ext.compression.data import Data
from tflm_ext.compression.result import CompressionStep
from tflm_ext.convert import convert
from tflm_ext.plan.footprint import context_bytes
from tflm_ext.stages import Options, analyse
from tflm_ext.targets import Board
from tflm_ext.verify.accuracy import metric_for
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.computable import computable, nothing_computed
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import quantize, real_values


def measure(
    name: str,
    model: Any,
    data: Data,
    parameters: int,
    board: Board,
    say: Callable[[str], None],
) -> tuple[str, CompressionStep]:
    """Convert and plan a model, and run it on the validation data.

    Args:
        name: of the step.
        model: of either Keras library, quantisation-aware or not; it is not changed.
        parameters: number of parameters of the plain model.
        board: the model is planned for the core of this board.

    Returns:
        The metric, and the step without notes.

    Raises:
        UnsupportedModelError: it cannot be converted to int8.
        ConfigError: the targets do not match its first output.
    """
    int8 = convert(model, data.calibration, test_inputs=data.inputs, progress=say).int8
    say("planning")
    analysis = analyse(int8, Options("compressed", board))
    plan, facts, graph = analysis.plan, analysis.facts, analysis.graph
    port = facts.outputs[0]
    count = len(data.targets)
    metric, score = metric_for(data.targets, count, port.shape[1:])
    say(f"running TensorFlow Lite Micro on {count:,} samples")
    vectors = quantize(facts.inputs, data.inputs)
    kept = computable(int8.bytes, graph, vectors, reset_each=True)
    if not kept.any():
        raise nothing_computed("sample of the validation data")
    inputs, count = [column[kept] for column in vectors], int(kept.sum())
    metric, score = metric_for(data.targets[kept], count, port.shape[1:])
    run = run_tflm(
        int8.bytes, inputs, len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True
    )
    outputs = real_values(port, run.outputs[0])
    assert int8.float_outputs is not None  # test inputs were passed
    in_float = score(int8.float_outputs[0][kept].reshape(count, -1))
    return metric, CompressionStep(
        name=name,
        float_score=in_float if math.isfinite(in_float) else None,
        int8_score=score(outputs.reshape(count, -1)),
        parameters=parameters,
        macs=plan.macs,
        weight_bytes=plan.weight_bytes,
        flash_bytes=plan.weight_bytes + plan.code_bytes,
        tflite_bytes=len(int8.bytes),
        ram_bytes=context_bytes(plan),
    )


def sizes(step: CompressionStep) -> Sizes:
    """Return the sizes that a budget limits."""
    return Sizes(
        weight_bytes=step.weight_bytes,
        flash_bytes=step.flash_bytes,
        ram_bytes=step.ram_bytes,
        macs=step.macs,
    )
