"""Zscore: distances from the mean, as the int8 that a model receives."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.arithmetic.features import integer_factor
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import Frames, LogMel, Microphone, Pipeline, Stack, Zscore
from tflm_ext.signals.spec import Form, Spec

INT16, INT32, FLOAT32 = DType.INT16, DType.INT32, DType.FLOAT32


def features(count: int, dtype: DType) -> Spec:
    rate = Fraction(10)
    return Spec(Form.FEATURES, dtype, (count,), rate, rate)


def drawn(dtype: DType, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Items to fit to, and items that also have extremes."""
    random = np.random.default_rng(seed)
    largest = {INT16: 4.4, INT32: 9.2, FLOAT32: 27}[dtype]
    deviation = 10 ** random.uniform(-1 if dtype is not FLOAT32 else -30, largest - 0.5, count)
    spread = 30 * deviation if dtype is FLOAT32 else 0.3 * 10**largest
    mean = random.normal(0, spread, count)
    items = mean + random.normal(0, 1, (100, count)) * deviation
    if dtype is FLOAT32:
        items = items.astype(np.float32)
        special = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0, 0.0]
        edges = np.array(special, np.float32)[:, np.newaxis] * np.ones(count, np.float32)
    else:
        info = np.iinfo(dtype.numpy)
        items = np.clip(np.rint(items), info.min, info.max).astype(dtype.numpy)
        edges = np.array([[info.min], [info.max], [0], [-1]]) * np.ones(count, np.int64)
    return items, np.concatenate([items, edges.astype(dtype.numpy)])


@pytest.mark.parametrize("dtype", [INT16, INT32, FLOAT32])
def test_c_equals_numpy(dtype: DType) -> None:
    source = features(40, dtype)
    items, more = drawn(dtype, 40, 7)
    items[:, 3] = more[:, 3] = items[0, 3]  # never changes
    more[-1, 3] = 99
    stage = Zscore(3.0).fit(source, items)
    found = assert_block(stage.bind(source), more)
    assert not found[:, 3].any()


@pytest.mark.parametrize("dtype", [INT16, INT32, FLOAT32])
@pytest.mark.parametrize("limit", [0.1, 4.0, 1000.0])
def test_it_is_the_distance_in_deviations(dtype: DType, limit: float) -> None:
    source = features(30, dtype)
    items, _ = drawn(dtype, 30, 8)
    stage = Zscore(limit).fit(source, items)
    block = stage.bind(source)
    found, _ = block.run(items, ())
    deviation = np.array(stage.deviation)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (items.astype(np.float64) - stage.mean) / deviation
    wanted = np.clip(np.nan_to_num(z) * (128 / limit), -128, 127)
    error = np.abs(found - wanted)
    # Half a step, and what 15 bits of a factor lose of 128 steps; tiny deviations are clamped.
    usable = np.isfinite(deviation) if dtype is FLOAT32 else deviation > 0.2
    assert usable.sum() > 10
    if limit >= 4:
        assert error[:, usable].max() <= 0.51
    assert block.out.scale == np.float32(limit / 128)


def test_all_int16_values_with_hard_means() -> None:
    values = np.arange(-32768, 32768, dtype=np.int16)[:, np.newaxis] * np.ones(4, np.int16)
    block = Zscore(4.0, (0.5, -32768.0, 32767.49, 0.001), (0.01, 1e4, 3.0, 1.0)).bind(
        features(4, INT16)
    )
    found, _ = block.run(values, ())
    z = (values.astype(np.float64) - block.mean) / block.deviation
    wanted = np.floor(np.clip(z * 32, -128, 127) + 0.5)
    assert np.abs(found - wanted).max() <= 1
    assert (found != wanted).mean() < 1e-3


def test_factors_of_integers() -> None:
    for exponent in range(-200, 60):
        for fraction in (0.5, 0.75, 0.99999, 1.0):
            step = fraction * 2.0**exponent
            multiplier, shift = integer_factor(step)
            assert 0 <= multiplier < 2**15
            assert 1 <= shift <= 60
            if 2.0**-46 < step < 2.0**13:
                assert multiplier / 2**shift == pytest.approx(step, rel=2**-15)


def test_fit_gives_mean_and_deviation() -> None:
    source = features(3, FLOAT32)
    items = np.array([[1, 5, 0], [3, 5, 1], [5, 5, 2]], np.float32)
    fitted = Zscore().fit(source, items)
    assert not Zscore().is_fitted
    assert fitted.is_fitted
    assert fitted.mean == (3.0, 5.0, 1.0)
    assert fitted.deviation == pytest.approx((np.sqrt(8 / 3), 0.0, np.sqrt(2 / 3)))


def test_a_feature_that_never_changes_has_no_deviation() -> None:
    """Its mean would have rounding errors."""
    items = np.full((1000, 1), 0.1, np.float32)
    assert Zscore().fit(features(1, FLOAT32), items).deviation == (0.0,)


def test_in_a_pipeline() -> None:
    sound = np.random.default_rng(0).normal(0, 3000, (16_000, 1)).astype(np.int16)
    front = Pipeline(Microphone(), Frames(480, 320), LogMel(8))
    log_mel = front.blocks[1]
    items, _ = log_mel.run(front.blocks[0].run(sound, front.blocks[0].start())[0], log_mel.start())
    stage = Zscore().fit(log_mel.out, items)
    pipeline = Pipeline(Microphone(), Frames(480, 320), LogMel(8), stage, Stack(4))
    features = pipeline.features(sound)
    assert features.shape == (46, 4, 8)
    assert np.abs(features.mean()) < 0.2
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


def test_what_cannot_be_fitted() -> None:
    source = replace(features(2, FLOAT32), names=("x rms", "x kurtosis"))
    with pytest.raises(ConfigError, match="nothing to fit to"):
        Zscore().fit(source, np.zeros((0, 2), np.float32))
    with pytest.raises(ConfigError, match=r"Feature 1 \(x kurtosis\) is not finite"):
        Zscore().fit(source, np.array([[0, np.nan], [0, 1]], np.float32))
    with pytest.raises(ConfigError, match="takes int16 or int32 or float32"):
        Zscore().fit(features(2, DType.INT8), np.zeros((1, 2), np.int8))


@pytest.mark.parametrize(
    ("stage", "source", "said"),
    [
        (Zscore(), features(2, INT16), "not fitted"),
        (Zscore(mean=(0.0,), deviation=(1.0,)), features(2, INT16), "fitted to 1 features"),
        (Zscore(mean=(1e20,), deviation=(1.0,)), features(1, INT32), "mean of 1e"),
        (Zscore(mean=(0.0,), deviation=(1.0,)), Microphone().spec, "works on a features"),
    ],
)
def test_what_cannot_be_bound(stage: Zscore, source: Spec, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        stage.bind(source)


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": 0},
        {"limit": float("nan")},
        {"mean": [1.0]},
        {"mean": [1.0, float("inf")]},
        {"deviation": [1.0, -1.0]},
        {"deviation": [1.0, "2"]},
        {"mean": "12"},
        {"mean": 3},
    ],
)
def test_hostile_json(changed: dict[str, object]) -> None:
    fitted = Zscore(mean=(0.0, 1.0), deviation=(1.0, 2.0))
    stage = LogMel(2, low_hz=100, high_hz=7000)
    pipeline = Pipeline(Microphone(), Frames(480), stage, fitted)
    content = json.loads(pipeline.to_json())
    content["stages"][-1].update(changed)
    with pytest.raises(ConfigError):
        Pipeline.from_json(json.dumps(content))
