"""Spectrum and Bands: powers by the int16 transform, and in float32 in a fixed order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.arithmetic.spectrum import DECIBELS, integer_log2, real_log2
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import Bands, Frames, LogMel, Microphone, Motion, Pipeline, Spectrum, Zscore
from tflm_ext.signals.spec import Spec

FORMS = ("power", "magnitude", "level")


def frame(length: int, channels: int = 1, zero_point: int = 0) -> Spec:
    spec = Frames(length).bind(Motion(100).spec).out
    return replace(spec, shape=(length, channels), zero_point=zero_point)


def items(length: int, channels: int, seed: int) -> np.ndarray:
    """Frames that are loud, quiet, silent, of extremes, or have a tone or an impulse."""
    random = np.random.default_rng(seed)
    shape = (length, channels)
    loud = random.normal(0, 10 ** random.uniform(-1, 4.6, (16, 1, 1)), (16, *shape))
    extremes = random.choice([-32768, 32767], (6, *shape))
    constant = np.array([-32768, -1, 0, 1, 32767])[:, np.newaxis, np.newaxis] * np.ones(shape)
    tone = 32767 * np.sin(np.arange(length) * random.uniform(0, np.pi, (4, 1)))
    impulse = np.zeros((2, *shape))
    impulse[:, length // 2] = np.array([1, -32768])[:, np.newaxis]
    found = [loud, extremes, constant, tone[:, :, np.newaxis] * np.ones(channels), impulse]
    return np.clip(np.rint(np.concatenate(found)), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("arithmetic", ["int16", "float32"])
@pytest.mark.parametrize(
    ("length", "channels", "zero_point", "points"),
    [(17, 1, 0, None), (16, 2, -32768, 64), (100, 3, 5, 16)],
)
def test_every_bin(
    arithmetic: str, length: int, channels: int, zero_point: int, points: int | None
) -> None:
    """All forms; transforms whose first pass has radix 2 and 4, padding, segments."""
    source = frame(length, channels, zero_point)
    form = FORMS[(length + len(arithmetic)) % 3]
    found = assert_block(
        Spectrum(points, form, arithmetic).bind(source), items(length, channels, length)
    )
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("arithmetic", "form"), [("int16", "level"), ("int16", "magnitude"), ("float32", "level")]
)
def test_bands(arithmetic: str, form: str) -> None:
    """The first bin and the last are among them, and their neighbours are not all."""
    bands = Bands(64, edges_hz=(0, 1, 20, 30, 50.1), form=form, arithmetic=arithmetic)
    found = assert_block(bands.bind(frame(150, 3)), items(150, 3, 9))
    assert np.isfinite(found).all()


def reference(frames: np.ndarray, source: Spec, points: int) -> np.ndarray:
    """Powers of all bins in float64, (frames, channels, bins)."""
    length = min(source.shape[0], points)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    starts = range(0, max(source.shape[0] - points, 0) + 1, points // 2)
    x = (frames - source.zero_point) * source.scale
    powers = [
        np.abs(np.fft.rfft(x[:, s : s + length] * window[:, np.newaxis], points, axis=1)) ** 2
        for s in starts
    ]
    power = np.mean(powers, axis=0) / points / (window**2).sum()
    power[:, 1:-1] *= 2
    return np.swapaxes(power, 1, 2)


@pytest.mark.parametrize(("length", "points"), [(256, 256), (100, 128), (200, 64)])
def test_they_are_powers(length: int, points: int) -> None:
    source = frame(length, 2)
    random = np.random.default_rng(0)
    given = np.rint(random.normal(0, 3000, (20, length, 2))).astype(np.int16)
    wanted = reference(given, source, points).reshape(20, -1)
    found, _ = Spectrum(points, "power", "float32").bind(source).run(given, ())
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6 * wanted.max())
    found, _ = Spectrum(points, "power", "int16").bind(source).run(given, ())
    np.testing.assert_allclose(found, wanted, rtol=0.03, atol=1e-3 * wanted.max())
    magnitudes, _ = Spectrum(points, "magnitude", "int16").bind(source).run(given, ())
    np.testing.assert_array_equal(magnitudes, np.sqrt(found))


@pytest.mark.parametrize("arithmetic", ["int16", "float32"])
def test_levels_are_decibels(arithmetic: str) -> None:
    source = frame(256)
    random = np.random.default_rng(1)
    given = np.rint(random.normal(0, 10 ** random.uniform(1, 4, (30, 1, 1)), (30, 256, 1)))
    given = np.clip(given, -32768, 32767).astype(np.int16)
    powers, _ = Spectrum(None, "power", arithmetic).bind(source).run(given, ())
    block = Spectrum(None, "level", arithmetic, 150).bind(source)
    levels, _ = block.run(given, ())
    real = levels * block.out.scale
    loud = powers > powers.max(1, keepdims=True) * 1e-4
    np.testing.assert_allclose(real[loud], 10 * np.log10(powers[loud]), atol=0.01)


@pytest.mark.parametrize("arithmetic", ["int16", "float32"])
def test_silence_has_the_lowest_level(arithmetic: str) -> None:
    block = Bands(64, 4, arithmetic=arithmetic, range_db=80).bind(frame(64))
    given = np.zeros((2, 64, 1), np.int16)
    given[1, 30] = 1
    levels, _ = block.run(given, ())
    assert block.out.limits is not None
    low, high = block.out.limits
    assert high - low == pytest.approx(80)
    assert levels * block.out.scale == pytest.approx(low, abs=0.01)
    full, _ = block.run(np.where(np.arange(64) % 2, 32767, -32768).reshape(1, 64, 1), ())
    assert full.max() * block.out.scale == pytest.approx(high, abs=0.1)


def test_quiet_frames_keep_their_shape() -> None:
    """A frame of some counts is shifted before the int16 transform, which would round it away."""
    source = frame(128)
    random = np.random.default_rng(2)
    quiet = random.integers(-3, 4, (10, 128, 1)).astype(np.int16)
    found, _ = Spectrum(None, "power").bind(source).run(quiet, ())
    wanted = reference(quiet, source, 128).reshape(10, -1)
    np.testing.assert_allclose(found, wanted, rtol=0.02, atol=1e-3 * wanted.max())


def test_all_bins_together_have_the_mean_square() -> None:
    given = np.random.default_rng(3).normal(0, 3000, (500, 64, 1)).astype(np.int16)
    source = frame(64)
    found, _ = Spectrum(None, "power").bind(source).run(given, ())
    square = np.mean((given * source.scale) ** 2)
    assert found.sum(1).mean() == pytest.approx(square, rel=0.03)


def test_bands_add_up_bins() -> None:
    source = frame(64, 2)
    given = items(64, 2, 4)
    bins, _ = Spectrum(64, "power").bind(source).run(given, ())
    block = Bands(64, 8, form="power").bind(source)
    bands, _ = block.run(given, ())
    wanted = bins.reshape(-1, 2, 33)[:, :, 1:].reshape(-1, 16, 4).sum(2)
    np.testing.assert_allclose(bands, wanted, rtol=1e-5)
    assert block.out.names[:2] == ("0 1.5625 to 7.8125 Hz", "0 7.8125 to 14.0625 Hz")


def test_names_of_bins() -> None:
    assert Spectrum(16).bind(frame(16)).out.names[:3] == ("0 Hz", "6.25 Hz", "12.5 Hz")


def test_logarithms() -> None:
    random = np.random.default_rng(0)
    values = (2 ** random.uniform(0, 53, 5000)).astype(np.int64)
    np.testing.assert_allclose(integer_log2(values) / 65536, np.log2(values), atol=5e-5)
    assert integer_log2(np.array([0, 1, 2, 2**32, 2**33])).tolist() == [
        0, 0, 65536, 32 << 16, 33 << 16,
    ]  # fmt: skip
    real = (2 ** random.uniform(-125, 127, 5000)).astype(np.float32)
    real = np.concatenate([real, np.float32([1, 0.5, 2, 0.70710677, 0.7071068, 1.4142135])])
    np.testing.assert_allclose(real_log2(real), np.log2(real.astype(np.float64)), atol=8e-6)
    assert pytest.approx(3.0103, abs=1e-4) == DECIBELS


def test_levels_enter_a_model_without_a_fit() -> None:
    motion = np.random.default_rng(0).normal(0, 3000, (900, 3)).astype(np.int16)
    pipeline = Pipeline(Motion(50), Frames(150, 75), Bands(64, 8))
    assert pipeline.features(motion).shape == (11, 24)
    assert Pipeline.from_json(pipeline.to_json()) == pipeline
    assert pipeline.blocks[1].out.dtype is DType.INT16
    fitted = Zscore(mean=(0.0,) * 3, deviation=(1.0,) * 3)
    pipeline = Pipeline(Motion(50), Frames(150), Bands(64, 1, arithmetic="float32"), fitted)
    assert pipeline.features(motion).shape == (6, 3)
    edges = Pipeline(Motion(50), Frames(150), Bands(64, edges_hz=(1, 5, 25)))
    assert Pipeline.from_json(edges.to_json()) == edges


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"points": 15}, "from 16"),
        ({"points": 2048}, "1,024"),
        ({"points": 48}, "Pass 32 or 64"),
        ({"points": 1000}, "Pass 512 or 1024"),
        ({"form": "db"}, r"Bands\.form"),
        ({"arithmetic": "int8"}, "int16"),
        ({"range_db": 0}, r"Bands\.range_db"),
        ({"bands": 0}, r"Bands\.bands"),
        ({"low_hz": -1}, r"Bands\.low_hz"),
        ({"edges_hz": (1,)}, "do not rise"),
        ({"edges_hz": (1, 1)}, "do not rise"),
        ({"edges_hz": (1, float("nan"))}, r"edges_hz\[1\]"),
        ({"edges_hz": "12"}, "sequence"),
        ({"edges_hz": 3}, "sequence"),
        ({"edges_hz": (1, 2), "low_hz": 1}, "either"),
    ],
)
def test_options_are_checked(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Bands(**options)  # type: ignore[arg-type]
    if not {"bands", "low_hz", "edges_hz"} & set(options):
        with pytest.raises(ConfigError, match=said.replace("Bands", "Spectrum")):
            Spectrum(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "source", "said"),
    [
        (Bands(16, 9), frame(16), "has no bin"),
        (Bands(64, edges_hz=(10, 60)), frame(64), "nothing above 50 Hz"),
        (Bands(64, edges_hz=(10, 10.5)), frame(64), "has no bin"),
        (Bands(64, low_hz=30, high_hz=30), frame(64), "begin at 30 Hz"),
        (Bands(), frame(1025), "points=1024"),
        (Bands(16, 2), frame(15), "16 samples or more"),
        (Bands(), Motion(50).spec, "Bands works on a frame"),
        (Spectrum(), replace(frame(64), dtype=DType.INT32), "takes int16"),
    ],
)
def test_what_cannot_be_bound(stage: Bands | Spectrum, source: Spec, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        stage.bind(source)


def test_edges_at_the_ends_of_the_spectrum() -> None:
    bands = Bands(64, edges_hz=(0, 50)).bind(frame(64))
    assert bands.edges == (0, 32)
    assert Bands(64, 32).bind(frame(64)).edges == tuple(range(1, 34))


@pytest.mark.parametrize("changed", [{"points": "64"}, {"edges_hz": [2, 1]}, {"form": 3}])
def test_hostile_json(changed: dict[str, object]) -> None:
    content = json.loads(Pipeline(Motion(50), Frames(64), Bands(64)).to_json())
    content["stages"][1].update(changed)
    with pytest.raises(ConfigError):
        Pipeline.from_json(json.dumps(content))


def test_it_takes_frames() -> None:
    with pytest.raises(ConfigError, match="Spectrum works on a frame"):
        Pipeline(Microphone(), Frames(480), LogMel(40), Spectrum())
