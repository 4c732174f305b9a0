"""Sources: their specs, their real units and their JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from tflm_ext.document import from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Analog, Image, Microphone, Motion, Recording

RATE: Any = 100
SOURCES = (
    Microphone(),
    Microphone(Fraction(125_000, 3), 2),
    Motion(RATE),
    Motion(Fraction(119, 2), "rotation", range_dps=500),
    Motion(RATE, "both", range_g=8),
    Analog(RATE),
    Analog(RATE, 16, -2.048, 2.048, "V", 3, True, ("left", "middle", "right")),
    Analog(RATE, 10, -20.0, 60.0, "°C"),
    Recording(RATE, 2, "m/s^2", 0.01, ("ax", "ay")),
    Image(96, 128, 3),
)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_json_gives_an_equal_source(source: Any) -> None:
    written = json.dumps(to_json(type(source), source))
    assert from_json(type(source), json.loads(written)) == source


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_a_spec_agrees_with_its_channels(source: Any) -> None:
    spec, layout = source.spec, source.layout
    assert len(layout) == spec.channels
    assert spec.rate == spec.sampling == source.rate
    if source == Motion(RATE, "both", range_g=8):
        assert [channel.unit for channel in layout] == ["g"] * 3 + ["degrees per second"] * 3
        assert [channel.step * 2**15 for channel in layout] == [8.0] * 3 + [2000.0] * 3
        assert (spec.scale * 2**15, spec.limits) == (1.0, (-1.0, 1.0))
        return
    for channel in layout:
        assert channel.unit == spec.unit
        assert channel.step == pytest.approx(spec.scale)
        assert abs(channel.zero - spec.zero_point) <= 0.5
        assert spec.limits[0] == pytest.approx(channel.range[0], abs=1e-9)
        assert spec.limits[1] >= channel.range[1]


def test_counts_of_a_converter() -> None:
    (channel,) = Analog(RATE, 12, 0.0, 3.3).layout
    assert (channel.low, channel.high, channel.range[0]) == (0, 4095, 0.0)
    assert channel.range[1] == pytest.approx(3.3 * 4095 / 4096)
    (channel,) = Analog(RATE, 10, -20.0, 60.0).layout
    assert channel.range == (pytest.approx(-20.0), pytest.approx(60 - 80 / 1024))
    (channel,) = Analog(RATE, 12, -1.0, 1.0, signed=True).layout
    assert (channel.low, channel.high, channel.zero) == (-2048, 2047, 0.0)


HOSTILE: tuple[Callable[[], Any], ...] = (
    lambda: Microphone("many"),  # type: ignore[arg-type]
    lambda: Microphone(RATE, 0),
    lambda: Microphone(RATE, 17),
    lambda: Motion(0),  # type: ignore[arg-type]
    lambda: Motion(RATE, "acceleratoin"),
    lambda: Motion(RATE, range_g=0),
    lambda: Motion(RATE, range_dps=float("nan")),
    lambda: Analog(RATE, 16),
    lambda: Analog(RATE, 17, signed=True),
    lambda: Analog(RATE, low=3.3, high=3.3),
    lambda: Analog(RATE, low=1e9, high=1e9 + 1e-6),
    lambda: Analog(RATE, high=float("inf")),
    lambda: Analog(RATE, signed=1),  # type: ignore[arg-type]
    lambda: Analog(RATE, unit="V\n"),
    lambda: Analog(RATE, unit=None),  # type: ignore[arg-type]
    lambda: Analog(RATE, channels=2, columns=("a",)),
    lambda: Analog(RATE, channels=2, columns=("a", "a")),
    lambda: Analog(RATE, channels=2, columns="ab"),  # type: ignore[arg-type]
    lambda: Analog(RATE, channels=1, columns=(3,)),  # type: ignore[arg-type]
    lambda: Recording(RATE, scale=0),
    lambda: Recording(RATE, scale=True),
    lambda: Recording(RATE, unit="u" * 41),
    lambda: Recording(RATE, columns=("",)),
    lambda: Recording("1/0"),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("make", HOSTILE)
def test_options_that_cannot_be_used(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.problem.endswith(".")
    assert caught.value.hint.endswith(".")
