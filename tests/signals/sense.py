"""Compares the C of a whole pipeline, without a model, with its NumPy after every stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.emit.sense import sense_files
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import Array
from tflm_ext.verify.sense import check_sense

_FACTS = ModelFacts(
    name="ears",
    library="Ears",
    sha256="0" * 64,
    inputs=(),
    outputs=(),
    weight_bytes=0,
    arena_bytes=0,
    macs=0,
    version="test",
    command="test",
    golden=(),
)


def assert_sense(pipeline: Pipeline, recordings: Sequence[Array]) -> tuple[Array, ...]:
    """The C gives what NumPy gives, after every stage that is traced.

    Returns:
        What the stages give for the first recording.
    """
    outputs, _ = pipeline.run(recordings[0], pipeline.start())
    check = check_sense(_FACTS, sense_files(_FACTS, pipeline), pipeline, recordings)
    frames = [type(block).__name__ for block in pipeline.blocks].index("FramesBlock")
    total = [pipeline.run(own, pipeline.start())[0] for own in recordings]
    assert check.frames == sum(len(own[frames]) for own in total)
    assert check.bytes == sum(np.sum([part.nbytes for part in own]) for own in total)
    return outputs[frames:]
