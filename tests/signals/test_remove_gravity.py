"""RemoveGravity: the C equals NumPy; a device at rest gives zeros."""

from __future__ import annotations

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.filtered import hard_samples
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Microphone, Motion, RemoveGravity
from tflm_ext.signals.stage import Array


def _ideal(samples: Array, hz: float, rate: float) -> Array:
    k = np.tan(np.pi * hz / rate)
    gravity, found = samples[0].astype(np.float64), []
    for sample in samples:
        high = sample - gravity
        gravity = gravity + 2 * k / (1 + k) * high
        found.append(high / (1 + k))
    return np.array(found)


@pytest.mark.parametrize(("hz", "rate"), [(0.3, 50), (0.01, 119), (5.0, 100), (0.5, 1600)])
def test_c_equals_numpy_and_is_near_the_exact_filter(hz: float, rate: int) -> None:
    block = RemoveGravity(hz).bind(Motion(rate).spec)
    samples = hard_samples(np.random.default_rng(rate), 1500, 3)
    output = assert_block(block, samples)
    exact = np.clip(_ideal(samples, hz, rate), -32768, 32767)
    # The gain is rounded to 13 bits, which is up to 4 counts at the largest difference.
    assert np.abs(output - exact).max() < 4.6


def test_what_lies_still_gives_zeros_from_the_first_sample() -> None:
    block = RemoveGravity().bind(Motion(50).spec)
    still = np.tile(np.array([[-32768, 0, 8192]], np.int16), (500, 1))
    output = assert_block(block, still)
    assert not output.any()


def test_it_forgets_a_first_sample_that_was_wrong() -> None:
    block = RemoveGravity(0.5).bind(Motion(50).spec)
    samples = np.full((2000, 3), 16384, np.int16)
    samples[0] = -32768
    output, _ = block.run(samples, block.start())
    assert output[1, 0] == 32767
    late = np.flatnonzero(np.abs(output[:, 0]) > 1)
    assert 0.8 * block.warm_up < late[-1] < block.warm_up < len(samples)


@pytest.mark.parametrize("items", [0, 1])
def test_few_samples(items: int) -> None:
    block = RemoveGravity().bind(Motion(50).spec)
    output, state = block.run(np.full((items, 3), 100, np.int16), block.start())
    assert output.tolist() == [[0, 0, 0]] * items
    again, _ = block.run(np.full((1, 3), 100, np.int16), state)
    assert again.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("source", "hz", "message"),
    [
        (Microphone(), 0.3, "takes acceleration in g"),
        (Motion(50, axes="rotation"), 0.3, "in degrees per second"),
        (Motion(50), 2.6, "is not from 0.0005 to 2.5 Hz"),
    ],
)
def test_what_it_refuses(source: object, hz: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RemoveGravity(hz).bind(source.spec)  # type: ignore[attr-defined]
    assert caught.value.hint


def test_limits_are_those_of_the_sensor() -> None:
    assert RemoveGravity().bind(Motion(50, range_g=2).spec).out.limits == (-2.0, 2.0)
