"""LogMel(like="microfrontend") gives the bits of TensorFlow's older microfrontend.

Digests are those of what the original computed: for the first setting, the package pymicro-features
2.0.2 with its only setting; for the others, its sources with other options (glibc 2.36, x86-64).
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.drawing import drawn_length, drawn_log_mel, drawn_sound, older
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Frames, LogMel, Microphone, Pcan, Pipeline, Stack, Subtraction
from tflm_ext.signals.microfrontend import MicrofrontendBlock, hann_float32
from tflm_ext.signals.stage import Array

PLAIN = Subtraction(min_signal_remaining=1.0)
SETTINGS: dict[str, tuple[int, int, int, LogMel]] = {
    "pymicro-features": (16_000, 480, 160, LogMel()),
    "25 ms": (16_000, 400, 160, LogMel(32, pcan=None)),
    "64 points": (8_000, 50, 25, LogMel(8, 0.0, 3700.0)),
    "128 points": (22_050, 96, 96, LogMel(20, 60.0, 9000.0, log_bits=10)),
    "1024 points": (44_100, 1024, 441, LogMel(64, 20.0, 20_000.0, pcan=Pcan(0.5, 10.0, 24))),
    "an asymmetric window": (48_000, 288, 144, LogMel(26, subtraction=PLAIN, pcan=None)),
    "no subtraction": (16_000, 480, 320, LogMel(subtraction=None, pcan=None, log_bits=0)),
    "slow noise": (
        11_025,
        220,
        110,
        LogMel(30, 80.0, 5000.0, Subtraction(0.3, 0.7, 12, 0.1), Pcan(1.0, 3.0, 20)),
    ),
}
"""Rate, frame, hop and stage."""
SHA256 = {
    "pymicro-features": "8bd43d5abb2ad49029bbbbb2ae756260ab703281ff972fb8a6393f704dfad952",
    "25 ms": "83ae0e82105ae440f61b5e9938ad12c0e42dc5cbd6448a79094b5313ad63684e",
    "64 points": "6ea37cd60fe89cdecdf3f4a8bf2e456277a1ae68d385f7414a375c7f477d361a",
    "128 points": "dca04ce195e54dbb97fa045975edb765e2d04900fe25e277a10888a1db6fcd7f",
    "1024 points": "79b048eba9bfe40f16d5be982bad05d7dcaec9f239a41d718cec857d21bc4abd",
    "an asymmetric window": "0d1f77fbf2328d902073bb81bcbe0c94af64f3415b109d52e2b27484f11c7617",
    "no subtraction": "0b0808506498c9110b7aa028edbfe1a2f5a4a3b8d10b7386a216c6c9857517e5",
    "slow noise": "de287f42850bdf37aadcb0641ae88cf5b25f371527b4dad13b0fe5884cb41ea9",
}


def sound(samples: int) -> Array:
    """The same samples with every version of NumPy: noise and edges, in parts of 800 samples."""
    noise = np.frombuffer(hashlib.shake_256(b"microfrontend").digest(2 * samples), "<i2")
    part = np.arange(samples) // 800
    found = noise.astype(np.int64) >> (part * 5 % 16)
    time = np.arange(samples)
    found = np.where(part % 9 == 4, 25_000 - 50_000 * (time // 7 % 2), found)
    found = np.where(part % 9 == 6, np.where(noise % 5 == 0, -32768, found >> 4), found)
    return np.where(part % 31 == 30, -32768 * (part % 2), found).astype(np.int16)


@pytest.mark.parametrize("name", SETTINGS)
def test_original(name: str) -> None:
    rate, length, hop, stage = SETTINGS[name]
    pipeline = Pipeline(Microphone(rate), Frames(length, hop), older(stage))
    samples = sound((3000 if name == "pymicro-features" else 300) * hop)[:, np.newaxis]
    features = pipeline.run(samples, pipeline.start())[0][1]
    assert hashlib.sha256(features.astype("<u2").tobytes()).hexdigest() == SHA256[name]


@pytest.mark.parametrize("seed", range(3))
def test_c_equals_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    block = drawn(random)
    length = block.source.shape[0]
    edges = random.choice([-32768, -1, 0, 1, 32767], (20, length))
    quiet = np.where(random.random((10, length)) < 0.2, -32768, 0)
    items = np.concatenate([drawn_sound(random, 60 * length).reshape(60, length), edges, quiet])
    assert_block(block, items[:, :, np.newaxis].astype(np.int16))


def drawn(random: np.random.Generator) -> MicrofrontendBlock:
    while True:
        frames = Frames(drawn_length(random, 128)).bind(Microphone().spec)
        try:
            block = older(drawn_log_mel(random, 16_000)).bind(frames.out)
        except ConfigError:
            continue
        assert isinstance(block, MicrofrontendBlock)
        return block


def test_windows_that_are_not_symmetric() -> None:
    """The C has the whole window."""
    assert not np.array_equal(hann_float32(288), hann_float32(288)[::-1])
    frames = Frames(288).bind(Microphone().spec)
    block = LogMel(like="microfrontend").bind(frames.out)
    assert_block(block, sound(288 * 40).reshape(40, 288, 1))


def test_int8_is_that_of_esphome() -> None:
    """(256 v + 333) / 666 - 128, clamped: the input of a model like okay_nabu, (1, 3, 40)."""
    pipeline = Pipeline(Microphone(), Frames(480, 160), older(LogMel()), Stack(3, every=3))
    *_, log_mel, to_int8, _ = pipeline.blocks
    assert pipeline.out.shape == (3, 40)
    assert pipeline.out.zero_point == -128
    # The model's scale is 26 / 255; 256 steps for the same range are what ESPHome computes with.
    assert pipeline.out.scale == pytest.approx(26 / 256, rel=1e-4)
    values = np.resize(np.arange(32768), (820, 40)).astype(log_mel.out.dtype.numpy)
    found, _ = to_int8.run(values, ())
    expected = np.clip((values.astype(np.int64) * 256 + 333) // 666 - 128, -128, 127)
    np.testing.assert_array_equal(found, expected)


def test_json() -> None:
    pipeline = Pipeline(Microphone(), Frames(480, 160), older(LogMel()))
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


@pytest.mark.parametrize(
    ("length", "subtraction", "problem"),
    [
        (480, Subtraction(clamping=True), "no clamping"),
        (480, Subtraction(bits=13), "14 bits"),
        (32, Subtraction(), "34 samples or more"),
    ],
)
def test_what_the_original_does_not_have(
    length: int, subtraction: Subtraction, problem: str
) -> None:
    frames = Frames(length).bind(Microphone().spec)
    with pytest.raises(ConfigError, match=problem):
        LogMel(8, subtraction=subtraction, like="microfrontend").bind(frames.out)
