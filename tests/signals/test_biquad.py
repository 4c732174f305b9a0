"""HighPass, LowPass, Biquad: the C equals NumPy, and NumPy is near the exact filter."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.filtered import hard_samples, ideal
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Biquad, Frames, HighPass, LowPass, Microphone, Motion, Pipeline
from tflm_ext.signals.biquad import ARITHMETICS, BiquadBlock
from tflm_ext.signals.biquad_design import Cascade, Section, butterworth
from tflm_ext.signals.stage import Array

NOTCH = (0.98, -1.8, 0.98, 1.0, -1.8, 0.96)
BAND = (0.1, 0.0, -0.1, 2.0, -3.2, 1.6)
DELAY = (0.0, 1.0, 0.25, 1.0, 0.0, 0.0)
RING = (0.9975, 0.0, 0.9975, 1.0, 0.0, 0.995)
"""A narrow notch at a high frequency, whose words for band are finer than counts."""


def _sections(cascade: Cascade) -> Array:
    """Return b0, b1, b2, a1, a2 of every section."""
    rows = []
    for i, s in enumerate(cascade.sections):
        gain = cascade.gain if i == 0 else 1
        both = s.band_gain * s.low_gain
        b0, b2 = s.high_mix, s.high_mix - s.band_mix * s.band_gain
        b1 = s.low_mix * both - b0 - b2
        a2 = 1 - s.band_gain
        rows.append([float(v) for v in (gain * b0, gain * b1, gain * b2, both - 1 - a2, a2)])
    return np.array(rows)


def _drawn(seed: int) -> BiquadBlock:
    random = np.random.default_rng(seed)
    source = Motion("119") if seed % 3 == 0 else Microphone(8000, channels=1 + seed % 2)
    arithmetic = ARITHMETICS[seed % 2]
    kind = (HighPass, LowPass)[seed // 2 % 2]
    lowest = 0.002 if arithmetic == "float32" else 0.0003
    hz = float(source.spec.rate) * float(np.exp(random.uniform(math.log(lowest), math.log(0.35))))
    return kind(hz, int(random.integers(1, 6)), arithmetic).bind(source.spec)


@pytest.mark.parametrize("seed", range(6))
def test_c_equals_numpy_and_is_near_the_exact_filter(seed: int) -> None:
    block = _drawn(seed)
    samples = hard_samples(np.random.default_rng(seed), 2000, block.source.channels)
    output = assert_block(block, samples, seed=seed)
    exact = np.clip(ideal(_sections(block.cascade), samples), -32768, 32767)
    # Beyond the bound for its arithmetic: coefficients that are rounded, and the int16 itself.
    assert np.abs(output - exact).max() <= 0.5 + block.error_bound + 2.0
    assert np.abs(output - exact).mean() < 0.5


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("sections", [(NOTCH,), (NOTCH, BAND, DELAY, RING)])
def test_biquads_with_given_coefficients(sections: Any, arithmetic: str) -> None:
    block = Biquad(sections, arithmetic).bind(Microphone().spec)
    samples = hard_samples(np.random.default_rng(1), 1500, 1)
    output = assert_block(block, samples)
    rows = np.array([[b0, b1, b2, a1, a2] for b0, b1, b2, _, a1, a2 in sections])
    rows /= np.array([a0 for *_, a0, _, _ in sections])[:, np.newaxis]
    exact = np.clip(ideal(rows, samples), -32768, 32767)
    assert np.abs(output - exact).max() <= 0.5 + block.error_bound + 0.1


@pytest.mark.parametrize(
    "stage",
    [HighPass(60, 4), HighPass(60, 2, "float32"), LowPass(1500, 3), Biquad((NOTCH, BAND))],
)
def test_no_input_overflows(stage: Any) -> None:
    """The input that makes the largest number at the output, for one time and its opposite."""
    block = stage.bind(Microphone(8000).spec)
    impulse = np.zeros((1500, 1))
    impulse[0] = 1
    response = ideal(_sections(block.cascade), impulse)[::-1]
    worst = np.where(response > 0, 32767, -32768)
    output = assert_block(block, np.concatenate([worst, -worst - 1, worst]))
    largest = min(32767.0, 32767 * np.abs(response).sum())
    assert output.max() >= largest - 2
    assert output.min() <= -largest + 2


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_constant_disappears_from_a_high_pass_and_passes_a_low_pass(arithmetic: str) -> None:
    for level in (-32768, -1, 1, 12345, 32767):
        samples = np.full((3000, 1), level, np.int16)
        for stage, expected in (
            (HighPass(40, 2, arithmetic), 0),
            (LowPass(40, 3, arithmetic), level),
        ):
            block = stage.bind(Microphone(8000).spec)
            output, _ = block.run(samples, block.start())
            settled = output[block.warm_up :]
            assert len(settled) > 1000
            assert np.abs(settled.astype(int) - expected).max() <= 1


def test_warm_up_is_no_longer_than_needed() -> None:
    block = LowPass(40, 2).bind(Microphone(8000).spec)
    output, _ = block.run(np.full((1000, 1), -31000, np.int16), block.start())
    late = np.flatnonzero(output != -31000)
    assert 0.9 * block.warm_up < late[-1] <= block.warm_up


def test_denormal_numbers() -> None:
    """In silence, the integrators of float32 decay through all denormal numbers."""
    block = HighPass(300.0, 2, "float32").bind(Microphone(8000).spec)
    samples = np.zeros((3000, 1), np.int16)
    samples[:5] = 32767
    assert_block(block, samples)
    states, state = [], block.start()
    for piece in np.split(samples, 600):
        _, state = block.run(piece, state)
        states.append(np.abs(state[0]))
    smallest = np.array(states)
    assert ((smallest > 0) & (smallest < np.finfo(np.float32).tiny)).any()


@pytest.mark.parametrize("high", [True, False])
def test_butterworth_filters_are_those_of_theory(high: bool) -> None:
    for order, cutoff in itertools.product(range(1, 9), (0.0003, 0.01, 0.2, 0.44)):
        cascade = butterworth(Fraction(cutoff), order, high=high)
        f = np.concatenate([np.geomspace(cutoff / 100, cutoff, 20), np.linspace(cutoff, 0.499, 20)])
        z = np.exp(-2j * np.pi * f)
        response = np.ones(len(f), complex)
        for b0, b1, b2, a1, a2 in _sections(cascade):
            response *= (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)
        ratio = np.tan(np.pi * f) / np.tan(np.pi * cutoff)
        wanted = 1 / np.sqrt(1 + (ratio ** (-2 * order) if high else ratio ** (2 * order)))
        np.testing.assert_allclose(np.abs(response), wanted, rtol=2e-6, atol=1e-9)


def test_coefficients_of_scipy_are_taken_as_they_are() -> None:
    signal = pytest.importorskip("scipy.signal")
    sos = signal.butter(5, [300, 900], "bandpass", fs=8000, output="sos")
    block = Biquad(sos).bind(Microphone(8000).spec)
    samples = hard_samples(np.random.default_rng(3), 2000, 1)
    output, _ = block.run(samples, block.start())
    exact = np.clip(signal.sosfilt(sos, samples.astype(float), axis=0), -32768, 32767)
    assert np.abs(output - exact).max() <= 0.5 + block.error_bound + 0.1
    for order, hz, kind in ((2, 20, "highpass"), (7, 1500, "lowpass"), (4, 3000, "highpass")):
        own = butterworth(Fraction(hz, 8000), order, high=kind == "highpass")
        theirs = signal.butter(order, hz, kind, fs=8000, output="sos")
        found = np.sort_complex(np.concatenate([np.roots([1, *s[3:]]) for s in _sections(own)]))
        roots = np.sort_complex(np.concatenate([np.roots(s[3:]) for s in theirs]))
        np.testing.assert_allclose(
            found[np.abs(found) > 1e-9], roots[np.abs(roots) > 1e-9], atol=1e-7
        )


def test_gains_are_spread_over_sections() -> None:
    """Designs with their whole gain in the first section do not lose bits in the others."""
    bounds = []
    for gain in (1e-4, 1.0):
        first = tuple(gain * b for b in BAND[:3]) + BAND[3:]
        last = tuple(b / gain for b in NOTCH[:3]) + NOTCH[3:]
        block = Biquad((first, RING, last)).bind(Microphone().spec)
        assert block.words is not None
        assert block.words.rows[1][5] < 0  # band_shift
        bounds.append(block.error_bound)
    assert bounds[0] < 2 * bounds[1] < 2


def test_a_filter_that_gives_nothing() -> None:
    block = Biquad([(0, 0, 0, 1, -0.5, 0), NOTCH]).bind(Microphone().spec)
    output, _ = block.run(np.full((50, 1), 32767, np.int16), block.start())
    assert not output.any()


def test_pipelines_read_them_from_json() -> None:
    pipeline = Pipeline(
        Microphone(8000),
        HighPass(20.5, 3),
        LowPass(3000, arithmetic="float32"),
        Biquad([NOTCH, BAND]),
        Frames(64),
    )
    again = Pipeline.from_json(pipeline.to_json())
    assert again.stages == pipeline.stages
    samples = hard_samples(np.random.default_rng(5), 1000, 1)
    np.testing.assert_array_equal(
        again.run(samples, again.start())[0][2], pipeline.run(samples, pipeline.start())[0][2]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HighPass(0), "HighPass.hz=0 is not a number"),
        (lambda: HighPass(math.nan), "HighPass.hz=nan"),
        (lambda: HighPass("20"), "HighPass.hz='20'"),
        (lambda: LowPass(20, 0), "LowPass.order=0"),
        (lambda: LowPass(20, 9), "LowPass.order=9"),
        (lambda: LowPass(20, True), "LowPass.order=True"),
        (lambda: LowPass(20, arithmetic="int16"), "LowPass.arithmetic"),
        (lambda: Biquad([]), "Biquad.sections"),
        (lambda: Biquad(None), "Biquad.sections"),
        (lambda: Biquad([NOTCH] * 9), "Biquad.sections"),
        (lambda: Biquad([NOTCH[:5]]), "Biquad.sections"),
        (lambda: Biquad([(math.inf, *NOTCH[1:])]), "Biquad.sections=inf"),
        (lambda: Biquad([("1", *NOTCH[1:])]), "Biquad.sections='1'"),
        (lambda: Biquad([(1, 0, 0, 0, 0, 0)]), "Section 0 of Biquad is unstable"),
        (lambda: Biquad([NOTCH, (1, 0, 0, 1, 0, 1)]), "Section 1 of Biquad is unstable"),
        (lambda: Biquad([(1, 0, 0, 1, -2, 1)]), "Section 0 of Biquad is unstable"),
    ],
)
def test_options_that_cannot_be_used(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")) as caught:
        make()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (HighPass(0.5), "HighPass.hz=0.5 is not from 2 to 3600 Hz"),
        (LowPass(3601), "LowPass.hz=3601 is not from"),
        (Biquad([(1e6, 0, 0, 1, -1.9, 0.95)]), "amplifies too much"),
        (Biquad([(1, 0, 0, 1, -1.9999999, 0.99999991)]), "rings for too long"),
        (HighPass(3, 4, "float32"), "could be wrong by"),
    ],
)
def test_filters_that_cannot_be_computed_are_refused(stage: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")) as caught:
        stage.bind(Microphone(8000).spec)
    assert caught.value.hint


def test_a_filter_takes_a_stream() -> None:
    frames = Frames(64).bind(Microphone().spec)
    with pytest.raises(ConfigError, match="HighPass works on a stream"):
        HighPass(20).bind(frames.out)


def test_unstable_sections_are_found_at_the_edge() -> None:
    one = Fraction(1)
    assert Section.of(one, one, one, Fraction(0), one) is None
    assert Section.of(one, one, one, Fraction(-19, 10), Fraction(9, 10)) is None
    assert Section.of(one, one, one, Fraction(-1899, 1000), Fraction(9, 10)) is not None
