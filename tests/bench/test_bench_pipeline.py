"""tflm-ext bench: a project with a pipeline before its model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tflm_ext
from tests.report.test_schema import VALIDATOR
from tests.tflite_builder import ModelBuilder
from tflm_ext import sense
from tflm_ext.bench import bench
from tflm_ext.bench.pipeline import measurement_samples
from tflm_ext.ir import DType

pytestmark = pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")

BELL = sense.Pipeline(
    sense.Microphone(), sense.Frames(480, 320), sense.LogMel(16), sense.Stack(6, every=3)
)


def net(pipeline: sense.Pipeline) -> bytes:
    """A dense layer on the features of a pipeline."""
    b = ModelBuilder()
    spec = pipeline.out
    shape = (1, *spec.shape)
    features = b.tensor(shape, scale=spec.scale, zero_point=spec.zero_point, name="features")
    flat = b.tensor((1, spec.size), scale=spec.scale, zero_point=spec.zero_point, name="flat")
    count = np.array([1, spec.size], np.int32)
    b.operator("RESHAPE", [features, b.constant(count)], [flat])
    random = np.random.default_rng(0)
    weights = b.constant(random.integers(-127, 128, (3, spec.size), np.int8), scale=0.01)
    bias = b.constant(random.integers(-500, 500, 3, np.int32), scale=0.01 * spec.scale)
    scores = b.tensor((1, 3), scale=0.1, zero_point=3, name="scores")
    b.operator("FULLY_CONNECTED", [flat, weights, bias], [scores])
    return b.finish([features], [scores])


@pytest.mark.slow
def test_stages_memory_and_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bell.tflite").write_bytes(net(BELL))
    folder = tflm_ext.export(
        tmp_path / "bell.tflite", tmp_path / "bell", pipeline=BELL, progress=False
    ).folder
    found = bench(folder)
    own = found.pipeline
    assert own is not None
    assert [stage.stage for stage in own.stages] == ["push", "Frames", "LogMel", "ToInt8", "Stack"]
    assert [stage.per_second for stage in own.stages] == [50, 50, 50, 50, pytest.approx(50 / 3)]
    assert sum(stage.instructions for stage in own.stages) == own.instructions
    assert all(stage.instructions > 0 for stage in own.stages)
    by_stage = sum(stage.instructions * stage.per_second for stage in own.stages)
    assert own.instructions_per_second == pytest.approx(by_stage, abs=1)
    assert own.cycles is not None and own.cycles > own.instructions
    # Ring and stack, and what LogMel needs for itself: spectrum, noise, frame, features.
    assert own.ring_bytes == 2 * 1024
    assert own.features_bytes == 6 * 16
    assert own.work_bytes >= 4 * 257 + 4 * 16 + 2 * 480 + 2 * 16
    assert own.window_ms == 1000 * (480 + 5 * 320) / 16_000
    assert own.clock_share is not None and own.clock_share_with_model is not None
    assert own.clock_share < own.clock_share_with_model < 0.1
    # The figures of the model are those of the model alone.
    alone = bench(tmp_path / "bell.tflite")
    assert alone.pipeline is None
    assert alone.instructions == pytest.approx(found.instructions, abs=100)
    assert alone.context_bytes == found.context_bytes
    text = str(found)
    assert f"{own.instructions:,}" in text and "LogMel" in text and "130 ms" in text
    written = json.loads((folder / "bench.json").read_text("utf-8"))
    VALIDATOR.validate(written)
    capsys.readouterr()
    assert tflm_ext.cli.main(["inspect", str(folder)]) == 0
    assert f"{own.flash_bytes:,}" in capsys.readouterr().out


def test_samples_of_every_type_are_noise_around_the_middle() -> None:
    for dtype in (DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32):
        spec = sense.Microphone().spec
        values = measurement_samples(type(spec)(spec.form, dtype, (2,), spec.rate, spec.sampling))
        assert values.dtype == dtype.numpy
        assert values.shape[1] == 2
        real = values.astype(np.float64)
        if dtype is DType.UINT8:
            real -= 128
        whole = 1.0 if dtype is DType.FLOAT32 else 2.0 ** (8 * dtype.size - 1)
        assert np.abs(real).max() <= whole / 8
        assert np.std(real) == pytest.approx(whole / 8 / np.sqrt(3), rel=0.05)
        assert np.abs(real.mean()) < whole / 100


def test_samples_are_those_of_the_generator() -> None:
    state, expected = 12345, []
    for _ in range(4096):
        state = (state * 1664525 + 1013904223) % 2**32
        expected.append((state - 2**32 if state >= 2**31 else state) // 2**19)
    assert measurement_samples(sense.Microphone().spec)[:, 0].tolist() == expected
