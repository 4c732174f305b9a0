"""Decimate, Resample: the C equals NumPy, and their filters pass and stop what they should."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.filtered import hard_samples
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Decimate, Frames, Microphone, Motion, Pipeline, Resample
from tflm_ext.signals.resample import ResampleBlock
from tflm_ext.signals.resample_design import polyphase
from tflm_ext.signals.stage import Array

RATIOS = [(1, 2), (1, 3), (1, 8), (1, 32), (2, 1), (3, 2), (5, 7), (48, 125), (119, 100)]


def _prototype(block: ResampleBlock) -> Array:
    """Return the filter at `up` times the rate."""
    found = np.zeros(block.up * block.filter.taps)
    for phase, row in enumerate(block.filter.coefficients):
        found[phase :: block.up] = row[::-1]
    return found / 2**block.filter.bits


@pytest.mark.parametrize(
    ("stage", "source"),
    [
        (Decimate(1), Microphone(8000, channels=2)),
        (Decimate(2), Microphone(8000, channels=3)),
        (Decimate(5), Microphone(8000)),
        (Resample(100), Motion("119")),
        (Resample(119), Motion(100)),
        (Resample("16000"), Microphone("125000/3")),
        (Resample(24_000, 0.5, 50.0), Microphone(8000)),
        (Resample(8000), Microphone(8000)),
    ],
)
def test_c_equals_numpy(stage: Any, source: Any) -> None:
    block = stage.bind(source.spec)
    samples = hard_samples(np.random.default_rng(0), 1100, source.spec.channels)
    growth = math.ceil(block.up / block.down)
    output = assert_block(block, samples, growth=growth)
    assert len(output) == math.ceil(len(samples) * Fraction(block.up, block.down))
    assert block.out.rate == block.out.sampling
    # The sums, in float64: output n is at n * down, in samples at `up` times the rate.
    raised = np.zeros((len(samples) * block.up, source.spec.channels))
    raised[:: block.up] = samples
    for channel in range(source.spec.channels):
        exact = np.convolve(raised[:, channel], _prototype(block))[: len(raised) : block.down]
        error = output[:, channel] - np.clip(exact, -32768, 32767)
        assert np.abs(error).max() <= 0.5


@pytest.mark.parametrize("items", [0, 1, 2])
def test_few_samples(items: int) -> None:
    block = Decimate(3).bind(Microphone().spec)
    output, state = block.run(np.full((items, 1), 1000, np.int16), block.start())
    assert len(output) == math.ceil(items / 3)
    following, _ = block.run(np.full((3 - items, 1), 1000, np.int16), state)
    assert len(output) + len(following) == 1


def test_the_same_rate_and_factor_1_change_nothing() -> None:
    samples = hard_samples(np.random.default_rng(1), 300, 2)
    source = Microphone(8000, channels=2).spec
    for stage in (Decimate(1), Resample(8000)):
        block = stage.bind(source)
        output, _ = block.run(samples, block.start())
        np.testing.assert_array_equal(output, samples)
        assert block.warm_up == 0


@pytest.mark.parametrize(("up", "down"), RATIOS)
def test_a_constant_remains_what_it_is(up: int, down: int) -> None:
    source = Microphone(8000).spec
    block = Resample(source.rate * Fraction(up, down)).bind(source)
    for level in (-32768, -1, 12345, 32767):
        output, _ = block.run(np.full((3000, 1), level, np.int16), block.start())
        assert len(output) > block.warm_up
        assert (output[block.warm_up :] == level).all()


@pytest.mark.parametrize(("up", "down"), RATIOS)
@pytest.mark.parametrize(("passband", "attenuation"), [(0.8, 60.0), (0.5, 50.0)])
def test_frequency_response(up: int, down: int, passband: float, attenuation: float) -> None:
    """Passes within 0.06 dB, and attenuates within 6 dB of what was asked for."""
    source = Microphone(8000).spec
    rate = source.rate * Fraction(up, down)
    response = np.abs(
        np.fft.rfft(_prototype(Resample(rate, passband, attenuation).bind(source)), 1 << 16)
    )
    decibels = 20 * np.log10(response / up + 1e-12)
    frequency = np.arange(len(response)) / (1 << 15) * max(up, down)  # 1 is half the lower rate
    assert np.abs(decibels[frequency <= passband]).max() < 0.06
    assert decibels[frequency >= 2 - passband].max() < -attenuation + 6


def test_a_sine_keeps_its_time_and_height() -> None:
    source = Motion("119").spec
    block = Resample(100).bind(source)
    times = np.arange(3000) / 119
    samples = np.repeat(np.round(20000 * np.sin(2 * np.pi * 7 * times))[:, np.newaxis], 3, 1)
    output, _ = block.run(samples.astype(np.int16), block.start())
    wanted = 20000 * np.sin(2 * np.pi * 7 * (np.arange(len(output)) / 100 - float(block.delay)))
    error = output[block.warm_up :, 0] - wanted[block.warm_up :]
    assert np.abs(error).max() < 40  # 0.2 %, of which the filter's ripple is half


def test_phases_add_up_and_fit_the_sum() -> None:
    for up, down in RATIOS:
        found = polyphase(up, down, Fraction(4, 5), Fraction(60))
        table = found.coefficients.astype(int)
        assert (table.sum(axis=1) == 2**found.bits).all()
        assert np.abs(table).sum(axis=1).max() * 2**15 + 2 ** (found.bits - 1) < 2**31
        assert found.taps % 2 == 0


def test_pipelines_read_them_from_json() -> None:
    pipeline = Pipeline(Motion("119"), Resample("99.5", 0.6, 55), Decimate(2, 0.7), Frames(50))
    again = Pipeline.from_json(pipeline.to_json())
    assert again.stages == pipeline.stages
    assert again.blocks[1].out.rate == Fraction(199, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decimate(0), "Decimate.factor=0"),
        (lambda: Decimate(65), "Decimate.factor=65"),
        (lambda: Decimate(2.5), "Decimate.factor=2.5"),
        (lambda: Decimate(2, 0.96), "Decimate.passband=0.96"),
        (lambda: Decimate(2, 0.8, 49), "Decimate.attenuation_db=49"),
        (lambda: Resample(0), "Resample.rate=0"),
        (lambda: Resample("1/0"), "Resample.rate='1/0'"),
        (lambda: Resample(100, math.nan), "Resample.passband=nan"),
    ],
)
def test_options_that_cannot_be_used(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")) as caught:
        make()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("stage", "source", "message"),
    [
        (Resample(16_000), Microphone(41_667), "16000 / 41667, which takes 768,000 coefficients"),
        (Resample("1/1000000"), Microphone(16_000), "coefficients; at most 16,384"),
        (Decimate(64, 0.9, 70), Microphone(16_000), "attenuates by about"),
    ],
)
def test_ratios_that_cannot_be_computed(stage: Any, source: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        stage.bind(source.spec)
    assert caught.value.hint
