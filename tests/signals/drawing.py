"""Draws front ends, pipelines and sounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals import Frames, LogMel, Microphone, Pcan, Subtraction
from tflm_ext.signals.log_mel_block import LogMelBlock
from tflm_ext.signals.stage import Array

Random = np.random.Generator

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000)


def drawn_subtraction(random: Random) -> Subtraction:
    """Any options, the edges often."""

    def share() -> float:
        return float(random.choice([random.random(), random.random() ** 4, 0.0, 1.0]))

    return Subtraction(
        smoothing=share(),
        alternate_smoothing=share(),
        smoothing_bits=int(random.integers(0, 17)),
        min_signal_remaining=share(),
        clamping=bool(random.random() < 0.5),
        bits=int(random.choice([14, random.integers(1, 15)])),
    )


def drawn_pcan(random: Random) -> Pcan:
    """Options around the defaults and far from them."""
    return Pcan(
        strength=float(random.choice([0.95, random.uniform(0, 2.5)])),
        offset=float(random.choice([80.0, 10 ** random.uniform(-3, 6)])),
        gain_bits=int(random.choice([21, random.integers(13, 31)])),
    )


def drawn_log_mel(random: Random, rate: int, **fixed: object) -> LogMel:
    """Any options; some do not bind.

    Args:
        fixed: options that are given.
    """
    subtraction = drawn_subtraction(random) if random.random() < 0.85 else None
    pcan = drawn_pcan(random) if subtraction and random.random() < 0.75 else None
    low = float(random.choice([0.0, min(125.0, rate / 8), random.uniform(0, rate / 4)]))
    options = {
        "bands": int(random.integers(8, 65)),
        "low_hz": low,
        "high_hz": float(random.uniform(low + rate / 20, 0.5 * rate)),
        "subtraction": subtraction,
        "pcan": pcan,
        "log_bits": int(random.integers(0, 11)),
    }
    return LogMel(**{**options, **fixed})  # type: ignore[arg-type]


def older(stage: LogMel) -> LogMel:
    """The same options, as far as the older library has them."""
    subtraction = stage.subtraction and replace(stage.subtraction, clamping=False, bits=14)
    return replace(stage, subtraction=subtraction, like="microfrontend")


def drawn_length(random: Random, shortest: int = 64) -> int:
    """An even frame length, so that every size of the transform is as likely."""
    points = 2 ** int(random.integers(shortest.bit_length() - 1, 11))
    low = 2 if points == 64 == shortest else points // 2 + 2
    return 2 * int(random.integers(low // 2, points // 2 + 1))


def drawn_block(random: Random, points: int = 0, **fixed: object) -> tuple[LogMelBlock, int]:
    """A front end that binds, and its rate.

    Args:
        points: of the transform; 0 for any.
    """
    while True:
        rate = int(random.choice(RATES))
        length = drawn_length(random) if points == 0 else points - 2 * int(random.integers(0, 9))
        frames = Frames(length).bind(Microphone(rate).spec)
        try:
            return drawn_log_mel(random, rate, **fixed).bind(frames.out), rate
        except ConfigError:
            continue


def drawn_sound(random: Random, samples: int) -> Array:
    """Parts of 50 to 4,000 samples: noise of any loudness, tones, clicks, edges, silence."""
    parts: list[Array] = []
    while sum(map(len, parts)) < samples:
        parts.append(_part(random, int(random.integers(50, 4000))))
    found = np.concatenate(parts)[:samples]
    return np.clip(np.rint(found), -32768, 32767).astype(np.int16)


def _part(random: Random, count: int) -> Array:
    time = np.arange(count)
    loud = 32768 * 10 ** -random.uniform(0, 4.5)
    match int(random.integers(0, 9)):
        case 0 | 1:
            return random.normal(0, loud, count)
        case 2:
            return loud * np.sin(2 * np.pi * random.uniform(0, 0.5) * time + random.uniform(0, 6))
        case 3:
            swing = random.uniform(0, 0.3) * np.sin(time / random.uniform(50, 5000))
            return 40_000 * np.sin(2 * np.pi * np.cumsum(0.2 + swing))
        case 4:
            clicks = random.random(count) < 10 ** -random.uniform(1, 4)
            return np.where(clicks, random.choice([-32768, 32767]), random.integers(-2, 3, count))
        case 5:
            return random.choice([-32768, -32767, -1, 0, 1, 32767], count)
        case 6:
            return np.full(count, random.choice([-32768, 32767, random.integers(-32768, 32768)]))
        case 7:
            period = int(random.integers(1, 40))
            return np.where(time // period % 2, -32768, random.choice([32767, -32768, 0]))
        case _:
            return np.zeros(count)
