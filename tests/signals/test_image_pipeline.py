"""Pipelines of images: without Frames, and the same bytes in C after every stage."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.emit.sense import sense_files
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.signals import Crop, Frames, Grey, Image, LogMel, Microphone, Pipeline, Resize, Zscore
from tflm_ext.verify.host import WARNINGS, compile_c, find_compiler
from tflm_ext.verify.sense import drawn_recordings, prove_sense

FACTS = ModelFacts("eye", "Eye", "", (), (), 0, 0, 0, "test", "test", ())
PIPELINES = (
    Pipeline(Image(6, 5)),
    Pipeline(Image(12, 16, 3), Crop(10, 10), Resize(7, 9), Grey()),
    Pipeline(Image(9, 7, 3), Resize(4, 4, "nearest")),
)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=["int8", "grey", "colour"])
def test_c_equals_numpy(pipeline: Pipeline) -> None:
    found = prove_sense(FACTS, sense_files(FACTS, pipeline), pipeline, ())
    assert found.frames >= 2000
    assert found.bytes >= 2000 * pipeline.out.size


def test_a_second_image_is_counted_as_lost(tmp_path: Path) -> None:
    pipeline = PIPELINES[0]
    for file in sense_files(FACTS, pipeline):
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file.content)
    (tmp_path / "main.c").write_text(
        """
        #include <stdio.h>
        #include "eye_sense.h"
        int main(void)
        {
            static eye_sense_t context;
            static uint8_t images[3][EYE_SENSE_CHANNELS] = { { 1U }, { 2U }, { 3U } };
            eye_event_t event;
            (void)eye_sense_init(&context);
            for (int i = 0; i < 3; ++i) {
                eye_sense_push(&context, images[i], 1U);
                if (i != 1) {
                    while (eye_sense_step(&context, &event) != EYE_SENSE_WAITING) {
                    }
                    (void)printf("%d %u %u ", context.features[0], event.frames, event.lost);
                }
                if (i == 0) {
                    eye_sense_push(&context, images[1], 1U);
                }
            }
            return 0;
        }
        """
    )
    compiler = find_compiler()
    compile_c((compiler, "-std=c99", *WARNINGS, "-I", ".", "main.c", "eye_sense.c"), tmp_path)
    output = subprocess.run([tmp_path / "a.out"], capture_output=True, check=True).stdout
    # The third image finds the second one, which nothing has computed yet.
    assert output.split() == b"-127 1 0 -126 2 2".split()


def test_inputs_of_a_model_are_from_0_to_1() -> None:
    for pipeline in PIPELINES:
        (images,) = drawn_recordings(pipeline.source.spec, 5, seed=0)
        assert pipeline.out.dtype is DType.INT8
        found = pipeline.features(images)
        assert found.shape == (5, *pipeline.out.shape)
        assert found.min() >= 0
        assert found.max() <= 1.000001
    real = PIPELINES[0].features(images[:, :6, :5, :1] / 255)
    np.testing.assert_allclose(real, images[:, :6, :5, :1] / 255, atol=1e-6)


def test_json_gives_an_equal_pipeline() -> None:
    for pipeline in PIPELINES:
        assert Pipeline.from_json(pipeline.to_json()) == pipeline


def test_any_cut_gives_the_same() -> None:
    pipeline = PIPELINES[1]
    (images,) = drawn_recordings(pipeline.source.spec, 9, seed=1)
    whole, _ = pipeline.run(images, pipeline.start())
    first, states = pipeline.run(images[:4], pipeline.start())
    second, _ = pipeline.run(images[4:], states)
    for one, two, both in zip(first, second, whole, strict=True):
        np.testing.assert_array_equal(np.concatenate([one, two]), both)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pipeline(Image(4, 4), Frames(4)),
        lambda: Pipeline(Image(4, 4), LogMel()),
        lambda: Pipeline(Image(4, 4), Grey(), Resize(2, 2)),
        lambda: Pipeline(Microphone(), Frames(4), Grey()),
        lambda: Pipeline(Microphone()),
        lambda: PIPELINES[0].features(np.zeros((0, 6, 5, 1), np.uint8)),
        lambda: Pipeline(Image(4, 4), Zscore()).fitted([np.zeros((2, 4, 4, 1), np.uint8)]),
        lambda: Pipeline(Microphone(), Zscore(), Frames(4)).fitted([np.zeros(9, np.int16)]),
    ],
)
def test_what_does_not_fit_is_an_error(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
