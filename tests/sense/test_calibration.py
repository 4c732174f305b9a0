"""calibrated(): thresholds, and what recordings can show."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sense.recordings import clips
from tflm_ext import export, sense
from tflm_ext.errors import BudgetError, ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.calibration import calibrate, hours_needed, rate_bound
from tflm_ext.signals.spec import Form, Spec

SCORE = Spec(Form.SCORE, DType.INT32, (1,), Fraction(16), Fraction(16_000), scale=1 / 1024)
CLASSES = Spec(
    Form.FEATURES, DType.INT8, (4,), Fraction(50), Fraction(16_000), scale=1 / 256, zero_point=-128
)
ALARM = sense.Alarm(average=8, needed=3, of=5, quiet_seconds=1)
DETECT = sense.Detect(average=4, needed=2, of=4, quiet_seconds=1, background=0, margin=0.05)


def _quiet(source: Spec, windows: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if source is SCORE:
        return random.gamma(20, 50, (windows, 1)).astype(np.int32)
    return np.clip(random.normal(-60, 40, (windows, 4)), -128, 127).astype(np.int8)


def _calibrated(decide: Any, source: Spec, per_day: float, windows: int = 20_000) -> Any:
    quiet = [_quiet(source, windows // 2, seed) for seed in range(2)]
    loud = [_quiet(source, 300, 7) + (2000 if source is SCORE else 0)] * 3
    hours = windows / float(source.rate) / 3600
    return calibrate(
        decide,
        source,
        quiet,
        loud,
        lambda count: np.arange(count) / float(source.rate),
        false_alarms_per_day=per_day,
        duration_hours=hours,
    )


@pytest.mark.parametrize(("decide", "source"), [(ALARM, SCORE), (DETECT, CLASSES)])
def test_rates_are_those_of_the_decision_itself(decide: Any, source: Spec) -> None:
    found = _calibrated(decide, source, 1.0)
    for point in found.curve[::8]:
        off = None if found.off is None else min(point.threshold, found.off)
        block = dataclasses.replace(decide, on=point.threshold, off=off).bind(source)
        events = 0
        for seed in range(2):
            decided, _ = block.run(_quiet(source, 10_000, seed), block.start())
            events += int(decided[:, 0].sum())
        assert point.observed_per_day == pytest.approx(events / found.hours * 24)
    assert any(point.observed_per_day > 0 for point in found.curve)


@pytest.mark.parametrize(("decide", "source"), [(ALARM, SCORE), (DETECT, CLASSES)])
def test_short_recordings_take_the_threshold_of_the_tail(decide: Any, source: Spec) -> None:
    found = _calibrated(decide, source, 1.0)
    assert found.false_alarms == 0
    assert found.fitted_per_day <= 1.0
    assert found.bound_per_day == pytest.approx(3 / found.hours * 24, rel=0.01)
    assert "is not shown by these recordings" in str(found)
    smaller = _calibrated(decide, source, 0.01)
    assert smaller.threshold > found.threshold


def test_what_the_recordings_show_needs_no_tail() -> None:
    found = _calibrated(ALARM, SCORE, 10_000.0)
    assert not found.extrapolated
    assert found.observed_per_day <= 10_000
    assert found.found == found.events == 3
    assert found.delay_seconds is not None
    assert "is not shown" not in str(found)


def test_bounds_are_those_of_poisson() -> None:
    for count in (0, 1, 5, 40):
        rate = rate_bound(count, 2.0) * 2.0
        below = sum(rate**k * math.exp(-rate) / math.factorial(k) for k in range(count + 1))
        assert below == pytest.approx(0.05)
    assert rate_bound(0, hours_needed(1.0)) * 24 == pytest.approx(1.0)


def test_a_whole_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = sense.Pipeline(
        sense.Microphone(),
        sense.Frames(256),
        sense.LogMel(10, subtraction=None, pcan=None),
        sense.Mahalanobis(),
        decide=sense.Alarm(average=4),
    )
    random = np.random.default_rng(1)
    quiet = random.normal(0, 300, 256 * 3000).astype(np.int16)
    fitted = pipeline.fitted(quiet[: 256 * 300])
    found = fitted.calibrated(
        *(None, quiet, [clips(6, 256 * 50)[3]]),
        false_alarms_per_day=5.0,
        picture=tmp_path / "curve.png",
        progress=False,
    )
    assert found.decide.on == found.calibration.threshold
    assert str(found.calibration) in capsys.readouterr().out
    assert sense.Pipeline.from_json(found.to_json()) == found
    assert (tmp_path / "curve.png").stat().st_size > 1000
    with pytest.raises(ConfigError, match=r"cannot be written as 'curve\.gif'"):
        fitted.calibrated(None, "missing.wav", false_alarms_per_day=5.0, picture="curve.gif")
    with pytest.raises(BudgetError, match="show fewer than"):
        fitted.calibrated(None, quiet, false_alarms_per_day=1.0, strict=True, progress=False)


@pytest.mark.parametrize(
    ("decide", "arguments", "message"),
    [
        (None, {}, "has no decision"),
        (sense.Alarm(), {"false_alarms_per_day": 0}, "false_alarms_per_day=0"),
        (sense.Alarm(), {"false_alarms_per_day": "one"}, "false_alarms_per_day='one'"),
        (sense.Alarm(), {"recordings": np.zeros(2560, np.int16)}, "too few for a threshold"),
        (sense.Alarm(), {"recordings": []}, "has no recordings"),
        (sense.Alarm(), {"model": "net.tflite"}, "computes a score itself"),
    ],
)
def test_what_cannot_be_calibrated(decide: Any, arguments: Any, message: str) -> None:
    pipeline = sense.Pipeline(
        sense.Microphone(), sense.Frames(256), sense.LogMel(10), sense.Normal(), decide=decide
    )
    given = {"model": None, "recordings": np.zeros(256 * 2500, np.int16)} | arguments
    with pytest.raises(ConfigError, match=message) as error:
        pipeline.calibrated(
            given["model"],
            given["recordings"],
            false_alarms_per_day=given.get("false_alarms_per_day", 1),
            progress=False,
        )
    assert error.value.hint


@pytest.mark.slow
def test_thresholds_of_another_model_are_a_warning(tmp_path: Path) -> None:
    import keras

    pipeline = sense.Pipeline(
        sense.Microphone(),
        sense.Frames(256),
        sense.LogMel(10, subtraction=None, pcan=None),
        score=sense.Reconstruction(),
        decide=sense.Alarm(average=4),
    )
    random = np.random.default_rng(1)
    quiet = random.normal(0, 300, 256 * 3000).astype(np.int16)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10)])
    found = pipeline.calibrated(model, quiet, false_alarms_per_day=9.0, progress=False)
    same = export(model, tmp_path / "same", quiet, pipeline=found, progress=False)
    assert not [text for text in same.report.warnings if "thresholds" in text]
    other = export(model, tmp_path / "other", quiet // 2, pipeline=found, progress=False)
    assert [text for text in other.report.warnings if "thresholds" in text]
