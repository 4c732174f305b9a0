"""Gate: frames pass if something happens in them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.sense import assert_sense
from tflm_ext.errors import ConfigError
from tflm_ext.signals import (
    Bands,
    Frames,
    Gate,
    LogMel,
    Microphone,
    Motion,
    Pipeline,
    Raw,
    Stack,
)
from tflm_ext.signals.spec import Spec


def frame(length: int, channels: int) -> Spec:
    spec = Frames(length).bind(Motion(100).spec).out
    return replace(spec, shape=(length, channels))


def items(length: int, channels: int, seed: int) -> np.ndarray:
    """Frames whose deviation is about 1,000 counts, or much more or less, about any mean."""
    random = np.random.default_rng(seed)
    size = random.choice([0, 900, 1000, 1100, 30_000], (150, 1, 1), p=[0.4, 0.2, 0.2, 0.1, 0.1])
    mean = random.integers(-20_000, 20_000, (150, 1, channels))
    found = mean + random.normal(0, size, (150, length, channels))
    return np.clip(np.rint(found), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(("length", "channels", "hold"), [(1, 1, 2), (33, 1, 1), (50, 3, 0)])
def test_c_equals_numpy(length: int, channels: int, hold: int) -> None:
    level = 1000 * np.sqrt(channels) * frame(length, channels).scale
    block = Gate(rms=level, hold=hold).bind(frame(length, channels))
    given = items(length, channels, length)
    found = assert_block(block, given)
    assert len(found) == 0 if length == 1 else 0 < len(found) < len(given)


def test_largest_and_smallest_levels() -> None:
    source = frame(1 << 16, 1)
    values = np.full((3, 1 << 16, 1), 32767, np.int16)
    values[1, ::2] = -32768
    values[2, 0] = 32766
    everything = Gate(rms=0).bind(source)
    assert len(assert_block(everything, values)) == 3
    highest = Gate(rms=32767.49 * source.scale).bind(source)
    assert len(assert_block(highest, values)) == 1
    for level in (32767.51 * source.scale, 1e12):
        with pytest.raises(ConfigError, match="Gate never opens"):
            Gate(rms=level).bind(source)
    Gate(rms=1.7 * 32767 * source.scale).bind(frame(50, 3))  # of three channels together
    half = 32767.4 * source.scale
    assert len(Gate(rms=half).bind(source).run(values, everything.start())[0]) == 1


def test_the_level_is_a_deviation() -> None:
    source = frame(100, 3)
    t = np.arange(100)[:, np.newaxis]
    wave = np.sin(2 * np.pi * t / 20) * np.array([300, 400, 0]) + np.array([0, 8192, -5])
    given = np.rint(wave).astype(np.int16)[np.newaxis]
    rms = np.sqrt((300**2 + 400**2) / 2) * source.scale
    for level, count in ((0.99 * rms, 1), (1.01 * rms, 0)):
        block = Gate(rms_g=level).bind(source)
        assert len(block.run(given, block.start())[0]) == count


def test_hold() -> None:
    """Frames after a loud one pass, counted from the last loud one."""
    loud = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0])
    given = (loud[:, np.newaxis, np.newaxis] * np.array([[1000], [-1000]])).astype(np.int16)
    given[:, :, 0] += np.arange(14, dtype=np.int16)[:, np.newaxis]
    block = Gate(rms=0.01, hold=2).bind(frame(2, 1))
    found, state = block.run(given, block.start())
    assert ((found[:, 0, 0] + found[:, 1, 0]) // 2).tolist() == [2, 3, 4, 7, 8, 9, 10, 11]
    assert state[0] == 0


@pytest.mark.parametrize("stacked", [False, True])
def test_in_firmware(stacked: bool) -> None:
    """Frames that are left out give no features, and do not enter the stack."""
    stages = [Raw(flat=True), Stack(3, 2)] if stacked else [Bands(16, 4)]
    pipeline = Pipeline(Motion(100), Frames(20, 15), Gate(rms_g=0.1, hold=1), *stages)
    random = np.random.default_rng(0)
    loudness = np.repeat(random.choice([1, 3000], 60, p=[0.7, 0.3]), 50)[:, np.newaxis]
    motion = np.rint(random.normal(0, loudness, (3000, 3))).astype(np.int16)
    outputs = assert_sense(pipeline, [motion, motion[700:]])
    frames, passed = len(outputs[0]), len(outputs[1])
    assert 10 < passed < frames - 10
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one level"),
        ({"rms": 1, "rms_g": 1}, "one level"),
        ({"rms": -1}, r"Gate\.rms"),
        ({"rms": float("nan")}, r"Gate\.rms"),
        ({"rms": True}, r"Gate\.rms"),
        ({"rms": 1, "hold": -1}, r"Gate\.hold"),
        ({"rms": 1, "hold": 1.5}, r"Gate\.hold"),
    ],
)
def test_options_are_checked(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Gate(**options)  # type: ignore[arg-type]


def test_g_is_for_acceleration() -> None:
    with pytest.raises(ConfigError, match="unit 'full scale'"):
        Gate(rms_g=0.1).bind(Frames(480).bind(Microphone().spec).out)
    with pytest.raises(ConfigError, match="Gate works on a frame"):
        Pipeline(Microphone(), Frames(480), LogMel(40), Gate(rms=0.1))


def test_hostile_json() -> None:
    content = json.loads(Pipeline(Motion(50), Frames(64), Gate(rms_g=0.1), Raw()).to_json())
    content["stages"][1]["rms_g"] = 1e300
    with pytest.raises(ConfigError):
        Pipeline.from_json(json.dumps(content))
