"""A short recording and what a pipeline and its model make of it, for the tests of a project."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.emit.sense import after_model
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import Array
from tflm_ext.verify.sense import ModelRun, drawn_recordings
from tflm_ext.verify.tflm import run_tflm

_MOST_BYTES = 32 * 1024
_LEAST_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class GoldenRecording:
    """A recording with its results.

    Attributes:
        samples: (samples, *shape) of the source's type.
        windows: of the recording.
        outputs: for every window, the CRC-32 of the model's first output, as TFLM computes it from
            NumPy's features; empty without a model.
        decisions: for every window, event, label and score; or a score alone; empty without.
    """

    samples: Array
    windows: int
    outputs: tuple[int, ...]
    decisions: tuple[tuple[int, ...], ...]


def make_golden_recording(
    pipeline: Pipeline, facts: ModelFacts, model: ModelRun | None, recordings: Sequence[Array]
) -> GoldenRecording:
    """Return the beginning of the user's first recording, or a drawn one if there is none.

    It has at most 32 KB, unless three windows need more.

    Args:
        model: None if the pipeline computes a score itself.
    """
    source = pipeline.source.spec
    enough = int(_LEAST_WINDOWS * source.rate / pipeline.out.rate) + pipeline.first_window
    most = max(_MOST_BYTES // (source.size * source.dtype.size), enough)
    long = [own for own in recordings if len(own) >= enough]
    if long:
        samples = long[0][:most]
    else:
        samples = drawn_recordings(source, 5 * enough, seed=int(pipeline.sha256[:8], 16))[0][:most]
    windows = pipeline.run(samples, pipeline.start())[0][-1]
    items = windows
    outputs: tuple[int, ...] = ()
    if model is not None:
        items = _modelled(facts, model, windows)
        outputs = tuple(zlib.crc32(np.ascontiguousarray(own).tobytes()) for own in items)
    blocks = after_model(facts, pipeline)
    if blocks and getattr(blocks[0], "sees_input", False):
        items = np.concatenate([windows.reshape(len(windows), -1), items], axis=1)
    for block in blocks:
        items = block.run(items, block.start())[0]
    decides = blocks or model is None
    decisions = tuple(tuple(row) for row in items.tolist()) if decides else ()
    return GoldenRecording(samples, len(windows), outputs, decisions)


def _modelled(facts: ModelFacts, model: ModelRun, windows: Array) -> Array:
    """Return the first output of the model for every window: (windows, size)."""
    if not len(windows):
        return np.zeros((0, facts.outputs[0].size), np.int8)
    vectors = windows.reshape(len(windows), *facts.inputs[0].shape)
    run = run_tflm(model.bytes, [vectors], len(facts.outputs), arena_bytes=model.arena_bytes)
    return run.outputs[0].reshape(len(windows), -1)
