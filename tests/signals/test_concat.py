"""Concat: features of several branches, in NumPy, JSON and C."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.sense import assert_sense
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import (
    MFCC,
    Bands,
    Concat,
    Frames,
    Gate,
    LogMel,
    Microphone,
    Motion,
    Pipeline,
    Raw,
    Spectrum,
    Stack,
    Statistics,
    Subtraction,
    Zscore,
)
from tflm_ext.signals.concat import ToFloat
from tflm_ext.signals.spec import Spec


def motion(samples: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.rint(random.normal(0, 3000, (samples, 3))).astype(np.int16)


def fitted(count: int) -> Zscore:
    return Zscore(mean=(0.1,) * count, deviation=(3.0,) * count)


@pytest.mark.parametrize("like", ["tflm", "microfrontend"])
def test_two_front_ends_without_gain_control(like: str) -> None:
    """GCC warned that a function that is not called reads beyond their table of the gain."""
    bands = [
        LogMel(count, high_hz=3800, pcan=None, subtraction=noise, like=like)
        for count, noise in ((32, Subtraction()), (9, None))
    ]
    samples = np.random.default_rng(0).integers(-3000, 3000, (2000, 1)).astype(np.int16)
    assert_sense(Pipeline(Microphone(8000), Frames(64), Concat(*bands)), [samples])


def test_branches_follow_one_another() -> None:
    source = Frames(32).bind(Motion(50).spec).out
    given = motion(32 * 20).reshape(20, 32, 3)
    block = Concat(Statistics("rms", "crest"), Bands(32, 4), Spectrum(16, "power")).bind(source)
    found, _ = block.run(given, block.start())
    parts = [Statistics("rms", "crest"), Bands(32, 4), Spectrum(16, "power")]
    own = [part.bind(source) for part in parts]
    ran = [one.run(given, ())[0] for one in own]
    wanted = np.concatenate([ran[0], ran[1] * np.float32(own[1].out.scale), ran[2]], axis=1)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.float32
    assert block.out.names == tuple(name for one in own for name in one.out.names)
    assert block.out.shape == found.shape[1:]


def test_integers_of_one_scale_remain() -> None:
    source = Frames(64).bind(Motion(50).spec).out
    block = Concat(Bands(64, 4), Bands(32, 4)).bind(source)
    assert block.out.dtype is DType.INT16
    assert block.out.limits == Bands().bind(source).out.limits
    assert not any(isinstance(own, ToFloat) for branch in block.branches for own in branch)
    assert Concat(Bands(64, 4), Bands(32, 4, range_db=60)).bind(source).out.limits is None


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.INT32])
@pytest.mark.parametrize("zero_point", [0, -128])
def test_integers_become_float32(dtype: DType, zero_point: int) -> None:
    rate = Motion(50).rate
    info = np.iinfo(dtype.numpy)
    form = Statistics("rms").bind(Frames(9).bind(Motion(50).spec).out).out.form
    source = Spec(form, dtype, (5,), rate, rate, scale=0.1, zero_point=zero_point)
    values = np.random.default_rng(0).integers(info.min, info.max + 1, (30, 5))
    values[:2] = [[info.min], [info.max]]
    found = assert_block(ToFloat(source), values)
    np.testing.assert_allclose(found, (values - zero_point) * 0.1, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_in_firmware(channels: int) -> None:
    """Float and integers, branches of several stages, state, an end and more stages after it."""
    if channels == 3:
        concat = Concat(Statistics("rms", "kurtosis"), Bands(32, 4), (Raw(flat=True),))
        pipeline = Pipeline(Motion(100), Frames(40, 30), concat, fitted(3 * 6 + 120), Stack(2))
        recordings = [motion(1500), motion(500, 1)]
    else:
        concat = Concat((LogMel(20), MFCC(7)), LogMel(12, low_hz=300), Statistics("crest"))
        pipeline = Pipeline(Microphone(), Frames(480, 320), concat, fitted(20))
        recordings = [motion(9000)[:, :1], motion(5000, 1)[:, :1]]
    outputs = assert_sense(pipeline, recordings)
    assert outputs[1].shape == (len(outputs[0]), pipeline.blocks[1].out.size)
    assert Pipeline.from_json(pipeline.to_json()) == pipeline


@pytest.mark.parametrize(
    "branches",
    [
        (Bands(16, 4), Bands(32, 3)),
        ((Statistics("mean"), fitted(3)), (Bands(16, 2, form="power"), fitted(6))),
    ],
)
def test_as_the_last_stage(branches: tuple[object, ...]) -> None:
    """Branches write to the row of a stack, or to the model's input."""
    stages = [Concat(*branches), Stack(3)]
    if isinstance(branches[0], tuple):
        stages.pop()
    assert_sense(Pipeline(Motion(100), Frames(32), *stages), [motion(900)])


def test_after_a_gate() -> None:
    concat = Concat(Statistics("rms"), Bands(16, 2))
    pipeline = Pipeline(Motion(100), Frames(20), Gate(rms_g=0.6), concat, fitted(9))
    outputs = assert_sense(pipeline, [motion(4000)])
    assert 0 < len(outputs[1]) < len(outputs[0])


def test_stages_of_branches_are_fitted() -> None:
    concat = Concat((Statistics("rms"), Zscore()), (Bands(16, 2), Zscore()))
    assert not concat.is_fitted
    pipeline = Pipeline(Motion(100), Frames(20), concat).fitted(motion(2000))
    assert pipeline.is_fitted
    features = pipeline.features(motion(2000))
    assert features.shape == (100, 9)
    assert np.abs(features.mean(0)).max() < 0.3
    wide = Pipeline(Motion(100), Frames(20), Concat(Statistics("rms"), Bands(16, 2)), Zscore())
    assert wide.fitted(motion(2000)).features(motion(2000)).shape == (100, 9)
    with pytest.raises(ConfigError, match="not fitted"):
        concat.bind(Frames(20).bind(Motion(100).spec).out)


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ((), "0 branches"),
        (((),), "0 stages"),
        (([Statistics("rms")] * 17), "17 branches"),
        ((Statistics,), "not a stage"),
        (("rms",), "not a stage"),
        ((3,), "not a stage"),
        ((Concat(Statistics("rms")),), "contains Concat"),
        ((Gate(rms=1),), "contains Gate"),
        (((Statistics("rms"), Stack(3)),), "contains Stack"),
    ],
)
def test_branches_are_checked(branches: tuple[object, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Concat(*branches)


@pytest.mark.parametrize(
    ("branch", "said"),
    [
        (Raw(), r"Raw\(flat=True\)"),
        (Frames(3), "Frames works on a stream"),
        ((Statistics("rms"), Bands()), "Bands works on a frame"),
        (MFCC(), "MFCC works on a features"),
    ],
)
def test_what_cannot_be_bound(branch: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Concat(Statistics("rms"), branch).bind(Frames(20).bind(Motion(50).spec).out)


def nested(depth: int) -> dict[str, object]:
    inner: dict[str, object] = {"stage": "Statistics", "version": 1, "names": ["rms"]}
    for _ in range(depth):
        inner = {"stage": "Concat", "version": 1, "branches": [[inner]]}
    return inner


@pytest.mark.parametrize(
    "concat",
    [
        nested(2),
        nested(150),
        {"stage": "Concat", "version": 1},
        {"stage": "Concat", "version": 1, "branches": []},
        {"stage": "Concat", "version": 1, "branches": "rms"},
        {"stage": "Concat", "version": 1, "branches": [3]},
        {"stage": "Concat", "version": 1, "branches": [[3]]},
        {"stage": "Concat", "version": 1, "branches": [[{}]]},
        {"stage": "Concat", "version": 1, "branches": [[{"stage": ["Stack"], "version": 1}]]},
        {"stage": "Concat", "version": 1, "branches": [[{"stage": "Nothing", "version": 1}]]},
        {"stage": "Concat", "version": 2, "branches": [[nested(0)]]},
    ],
)
def test_hostile_json(concat: dict[str, object]) -> None:
    pipeline = Pipeline(Motion(50), Frames(64), Concat(Statistics("rms")), fitted(3))
    content = json.loads(pipeline.to_json())
    content["stages"][1] = concat
    with pytest.raises(ConfigError):
        Pipeline.from_json(json.dumps(content))
