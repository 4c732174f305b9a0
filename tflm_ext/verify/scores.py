"""Runs the user's samples in TFLM and the C, and compares them with float model and targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.int8_model import Int8Model, looked_at
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.report import Accuracy, Int8Error
from tflm_ext.verify.accuracy import measure_accuracy
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.computable import computable, left_out, nothing_computed
from tflm_ext.verify.float_model import Findings, judge, measure_error
from tflm_ext.verify.host import run_host
from tflm_ext.verify.targets import Targets
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import quantize

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """The user's real data, a float array (samples, *shape) for each input of the model.

    Attributes:
        calibration, test: may be empty.
        targets: of the test samples, for each output of the model; () if there are none.
    """

    calibration: tuple[Array, ...] = ()
    test: tuple[Array, ...] = ()
    targets: Targets = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Results of running the samples.

    Attributes:
        names: of all outputs.
        accuracies: of the outputs that have targets.
        error: None without a float model, or without samples.
        findings: warnings for the user.
    """

    names: tuple[str, ...]
    accuracies: tuple[Accuracy, ...] = ()
    error: Int8Error | None = None
    findings: Findings = Findings()


def score(
    int8: Int8Model,
    graph: Graph,
    facts: ModelFacts,
    samples: Samples,
    sources: Sequence[RenderedFile] | None,
    progress: Callable[[str], None],
) -> Scores:
    """Run the test data, or some calibration samples, each after a reset, and judge the outputs.

    Args:
        int8: the int8 model, with the outputs of the float model.
        graph: as read from it.
        facts: its inputs and outputs.
        samples: the user's data.
        sources: the C; None if the device runs TFLM itself.
        progress: called with a description of the current step.

    Raises:
        UnsupportedModelError: TFLM cannot compute any of the samples.
    """
    names = tuple(port.name or port.tensor_name for port in facts.outputs)
    columns, floats, data = samples.test, int8.float_outputs, "test_data"
    if not columns and int8.calibration_outputs is not None:
        columns = tuple(column[looked_at(len(column))] for column in samples.calibration)
        floats, data = int8.calibration_outputs, "calibration_data"
    if not columns:
        return Scores(names)
    targets: Targets = (None,) * len(names)
    if data == "test_data" and samples.targets:
        targets = samples.targets
    progress(f"scoring {len(columns[0]):,} samples")
    inputs = quantize(facts.inputs, columns)
    kept = computable(int8.bytes, graph, inputs, reset_each=True)
    notes: tuple[str, ...] = ()
    if not kept.all():
        if not kept.any():
            raise nothing_computed("sample of the data")
        inputs = tuple(column[kept] for column in inputs)
        floats = None if floats is None else tuple(np.asarray(column)[kept] for column in floats)
        targets = tuple(None if wanted is None else wanted[kept] for wanted in targets)
        notes = (left_out(int(sum(~kept)), len(kept), f"samples of {data}"),)
    ran = run_tflm(
        int8.bytes, inputs, len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True
    ).outputs
    error = None
    if floats is not None:
        error = measure_error(names, facts.outputs, data, floats, ran)
    accuracies = _accuracies(facts, targets, floats, ran, inputs, sources)
    found = judge(accuracies, error, facts.outputs, names, ran)
    return Scores(names, accuracies, error, replace(found, notes=(*notes, *found.notes)))


def _accuracies(
    facts: ModelFacts,
    targets: Targets,
    floats: Sequence[Array] | None,
    tflm: Sequence[Array],
    inputs: Sequence[Array],
    sources: Sequence[RenderedFile] | None,
) -> tuple[Accuracy, ...]:
    """Return the scores of the outputs that have targets."""
    if all(wanted is None for wanted in targets):
        return ()
    ours = None if sources is None else run_host(facts, sources, inputs, reset_each=True).outputs
    return tuple(
        measure_accuracy(
            facts.outputs[i],
            wanted,
            None if floats is None else floats[i],
            tflm[i],
            None if ours is None else ours[i],
            output=i,
        )
        for i, wanted in enumerate(targets)
        if wanted is not None
    )
