"""MFCC: the cosine transform of LogMel, exact in integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.arithmetic.features import dct_table
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import MFCC, Frames, LogMel, Microphone, Pipeline, Zscore
from tflm_ext.signals.spec import Form, Spec


def features(count: int, dtype: DType = DType.INT16) -> Spec:
    """Features of a scale of 1/64."""
    rate = Fraction(50)
    return Spec(Form.FEATURES, dtype, (count,), rate, rate, scale=1 / 64)


@pytest.mark.parametrize(
    ("bands", "first", "count"), [(40, 0, 13), (1, 0, 1), (2, 1, 1), (33, 5, 28)]
)
def test_c_equals_numpy(bands: int, first: int, count: int) -> None:
    random = np.random.default_rng(bands)
    block = MFCC(count, first).bind(features(bands))
    usual = random.integers(0, 1700, (50, bands))
    edges = random.choice([-32768, 32767], (20, bands))
    # The values that make the sums of a row largest and smallest.
    rows, _ = block.rows
    worst = np.where(rows > 0, 32767, -32768)
    items = np.concatenate([usual, edges, worst, -1 - worst, np.full((1, bands), -32768)])
    assert_block(block, items)


@pytest.mark.parametrize("bands", [1, 2, 3, 8, 40, 64, 101, 128])
def test_it_is_the_orthonormal_transform(bands: int) -> None:
    values = np.random.default_rng(bands).integers(0, 1700, (30, bands)).astype(np.int16)
    found, _ = MFCC(bands).bind(features(bands)).run(values, ())
    k = np.arange(bands)
    basis = np.cos(np.pi / bands * k[:, np.newaxis] * (k + 0.5)) * np.sqrt(2 / bands)
    basis[0] = np.sqrt(1 / bands)
    wanted = values @ basis.T
    _, bits = dct_table(bands, 0, bands)
    # Half a step of the result, and half a step of every factor of the table.
    assert np.abs(found - wanted).max() <= 0.5 + bands * 1700 * 0.5 / 2**bits


def test_every_sum_fits_an_int32() -> None:
    for bands in (*range(1, 130), 500, 1024):
        table, bits = dct_table(bands, 0, min(bands, 40))
        assert np.abs(table).sum(1).max() * 32768 + (1 << bits >> 1) < 2**31
        assert 7 <= bits <= 15


def test_in_a_pipeline() -> None:
    sound = np.random.default_rng(0).normal(0, 3000, (16_000, 1)).astype(np.int16)
    fitted = Zscore(mean=(0.0,) * 13, deviation=(100.0,) * 13)
    pipeline = Pipeline(Microphone(), Frames(480, 320), LogMel(40), MFCC(), fitted)
    assert pipeline.features(sound).shape == (49, 13)
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


@pytest.mark.parametrize(
    ("stage", "source", "said"),
    [
        (MFCC(41), features(40), "up to number 40"),
        (MFCC(1, first=40), features(40), "up to number 40"),
        (MFCC(), features(40, DType.INT8), "takes int16"),
        (MFCC(), Frames(480).bind(Microphone().spec).out, "works on a features"),
        (MFCC(), features(2000), "at most 1,024"),
    ],
)
def test_what_it_cannot_take(stage: MFCC, source: Spec, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        stage.bind(source)


@pytest.mark.parametrize("options", [(0,), (13, -1), ("13",), (13, 2000), (1.5,)])
def test_options_are_checked(options: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"MFCC\."):
        MFCC(*options)
