"""The user's test data through the float model, TFLM and the C, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import dequantize_array
from tflm_ext.emit.facts import ModelFacts
from tflm_ext.emit.files import RenderedFile
from tflm_ext.errors import ConfigError
from tflm_ext.ir import Graph
from tflm_ext.report import Accuracy
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.host import run_host
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]


def measure_accuracy(
    model: bytes,
    graph: Graph,
    facts: ModelFacts,
    sources: Sequence[RenderedFile] | None,
    inputs: Sequence[Array],
    targets: Array,
    float_outputs: Sequence[Array] | None,
) -> Accuracy:
    """Run all test data, each sample after a reset, and score the first output.

    Args:
        sources: the C; None where TFLM is what runs on the device, too.
        inputs: per input of the model, int8 (samples, *shape).
        targets: class numbers (samples,), one-hot rows, or real values in the output's shape.
        float_outputs: what the float model gave, None where there is none.

    Raises:
        ConfigError: the targets do not fit the output.
    """
    run = run_tflm(model, inputs, len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True)
    ours = None if sources is None else run_host(facts, sources, inputs, reset_each=True)
    border = facts.outputs[0]
    rows = [None if float_outputs is None else np.asarray(float_outputs[0])]
    rows += [
        None if ran is None else dequantize_array(ran.outputs[0], border.scale, border.zero_point)
        for ran in (run, ours)
    ]
    count = len(inputs[0])
    metric, score = metric_for(np.asarray(targets), count, border.size)
    scores = [None if r is None else score(r.reshape(count, border.size)) for r in rows]
    if scores[0] is not None and not math.isfinite(scores[0]):
        scores[0] = None  # a float model that overflows has no error to speak of
    return Accuracy(metric, count, scores[0], scores[1] or 0.0, scores[2])


def metric_for(targets: Array, count: int, size: int) -> tuple[str, Callable[[Array], float]]:
    """What the targets of the first output ask for.

    Args:
        targets: as for measure_accuracy().
        count: samples.
        size: values of the output.

    Returns:
        "accuracy" or "mean_absolute_error", and a function of real outputs (count, size).

    Raises:
        ConfigError: the targets do not fit the output.
    """
    if len(targets) != count:
        raise ConfigError(
            f"The test data has {count} inputs and {len(targets)} targets.",
            "Give test_data=(x, y) of the same length.",
        )
    flat = targets.reshape(count, -1)
    if size > 1 and flat.shape[1] == size and _is_one_hot(flat):
        flat = flat.argmax(1)[:, None]
    whole = np.issubdtype(flat.dtype, np.integer) or bool(np.all(flat == np.round(flat)))
    if size > 1 and flat.shape[1] == 1 and whole and 0 <= flat.min() and flat.max() < size:
        classes = flat[:, 0]
        return "accuracy", lambda rows: float(np.mean(rows.argmax(1) == classes))
    if size == 1 and flat.shape[1] == 1 and np.isin(flat, (0, 1)).all():
        return "accuracy", lambda rows: float(np.mean((rows >= 0.5) == flat))
    if flat.shape[1] == size:
        return "mean_absolute_error", lambda rows: float(np.mean(np.abs(rows - flat)))
    raise ConfigError(
        f"Targets of shape {list(targets.shape)} do not fit an output of {size} values.",
        "Give class numbers, one-hot rows, or values in the output's shape.",
    )


def _is_one_hot(rows: Array) -> bool:
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(1) == 1).all())
