"""Raw: the samples of a frame as int8."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Frames, LogMel, Microphone, Motion, Pipeline, Raw, Stack

EDGES = [-32768, -32767, -129, -128, -127, -1, 0, 1, 127, 128, 129, 32639, 32640, 32767]


@pytest.mark.parametrize(
    ("length", "bits", "flat", "zero_point"),
    [(1, 8, False, 0), (5, 0, True, 0), (2, 3, True, -700)],
)
def test_c_equals_numpy(length: int, bits: int, flat: bool, zero_point: int) -> None:
    frame = Frames(length).bind(Motion(50).spec).out
    block = Raw(bits, flat).bind(replace(frame, zero_point=zero_point))
    items = np.random.default_rng(bits).integers(-32768, 32768, (60, length, 3))
    items.reshape(-1)[: len(EDGES) * 3] = np.repeat(EDGES, 3)
    found = assert_block(block, items)
    assert found.shape[1:] == ((3 * length,) if flat else (length, 3))
    real = (items.reshape(found.shape) - zero_point) * frame.scale
    shown = found * block.out.scale
    inside = (found > -128) & (found < 127)
    assert not inside.any() or np.abs(shown - real)[inside].max() <= block.out.scale / 2


def test_every_int16_keeps_its_upper_byte() -> None:
    block = Raw().bind(Frames(1).bind(Microphone().spec).out)
    values = np.arange(-32768, 32768, dtype=np.int16)
    found, _ = block.run(values.reshape(-1, 1, 1), ())
    assert (
        found.reshape(-1).tolist()
        == np.minimum((np.arange(-32768, 32768) + 128) >> 8, 127).tolist()
    )


def test_a_model_may_see_several_frames() -> None:
    pipeline = Pipeline(Motion(50), Frames(4), Raw(flat=True), Stack(3))
    assert pipeline.features(np.zeros((20, 3), np.int16)).shape == (3, 3, 12)
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


@pytest.mark.parametrize("bits", [-1, 9, 1.5, True, "8", None])
def test_bits_are_checked(bits: object) -> None:
    with pytest.raises(ConfigError, match=r"Raw\.dropped_bits"):
        Raw(bits)  # type: ignore[arg-type]


def test_it_takes_frames() -> None:
    with pytest.raises(ConfigError, match="Raw works on a frame"):
        Pipeline(Microphone(), Frames(480), LogMel(40), Raw())
    with pytest.raises(ConfigError, match=r"Raw\.flat"):
        Raw(flat=1)  # type: ignore[arg-type]
