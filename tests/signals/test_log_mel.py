"""LogMel: NumPy and C give the same bytes; test_against_tflm.py compares NumPy with TFLM."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.drawing import drawn_block, drawn_sound
from tflm_ext.signals import Frames, LogMel, Microphone
from tflm_ext.signals.mel import make_bank


@pytest.mark.parametrize("seed", range(3))
def test_c_equals_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    block, _ = drawn_block(random)
    length = block.source.shape[0]
    edges = random.choice([-32768, -1, 0, 1, 32767], (10, length))
    items = np.concatenate([drawn_sound(random, 60 * length).reshape(60, length), edges])
    assert_block(block, items[:, :, np.newaxis])


def test_an_even_and_an_odd_half() -> None:
    """The window is applied to pairs from both ends; the middle one may be alone."""
    for length in (2, 6, 66):
        frames = Frames(length).bind(Microphone().spec)
        block = LogMel(8, high_hz=7000.0).bind(frames.out)
        items = drawn_sound(np.random.default_rng(length), 9 * length).reshape(9, length, 1)
        assert_block(block, items)


@pytest.mark.parametrize(
    ("length", "options"),
    [
        (600, {"bands": 40, "low_hz": 0, "high_hz": 7600}),  # 1024 points, a whole bin inside
        (66, {"bands": 3, "low_hz": 1000, "high_hz": 1500, "pcan": None}),  # few bins
        (2, {"bands": 5, "subtraction": None, "pcan": None, "log_bits": 0}),
        (1024, {"bands": 1, "low_hz": 0, "high_hz": 7900}),  # more than 255 bins in a band
    ],
)
def test_tables_of_all_kinds(length: int, options: dict[str, Any]) -> None:
    frames = Frames(length).bind(Microphone().spec)
    block = LogMel(**options).bind(frames.out)
    random = np.random.default_rng(length)
    loud = random.normal(0, 8000, (30, *frames.out.shape))
    edges = random.choice([-32768, -1, 0, 1, 32767], (10, *frames.out.shape))
    constant = np.full((2, *frames.out.shape), -32768)
    items = np.clip(np.concatenate([loud, edges, constant]), -32768, 32767).astype(np.int16)
    assert_block(block, items)


def test_weights_of_a_bin_add_up_to_one_or_a_little_less() -> None:
    random = np.random.default_rng(0)
    whole = 0
    for _ in range(200):
        points = 64 << int(random.integers(0, 5))
        low, high = np.sort(random.integers(0, 73, 2)) * 100
        bank = make_bank(points, Fraction(16_000), int(random.integers(1, 65)), low, high + 700)
        missing = 4096 - bank.weights - bank.unweights
        assert (missing[bank.whole - bank.first] == 0).all()
        assert missing.sum() == bank.bins - len(bank.whole)
        whole += len(bank.whole)
    assert whole > 20
