"""Scores: NumPy and C give the same integers, which are close to the real score."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from tests.signals.blocks import assert_block, run_c_of
from tflm_ext.document import from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import KMeans, Mahalanobis, Normal, Probability, Reconstruction
from tflm_ext.signals.k_means import fitted_centres, point_limit, point_unit
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array


def features(count: int, dtype: DType = DType.INT16, **options: object) -> Spec:
    spec = Spec(Form.FEATURES, dtype, (count,), Fraction(2), Fraction(16_000))
    return dataclasses.replace(spec, **options)


def drawn(random: np.random.Generator, spec: Spec, items: int) -> Array:
    """Features of very different means and deviations, with some extremes."""
    edges = np.iinfo(spec.dtype.numpy)
    spread = edges.max / 4
    means = random.uniform(-spread, spread, spec.shape)
    deviations = spread * 10 ** random.uniform(-4, 0, spec.shape)
    found = np.clip(np.round(random.normal(means, deviations, (items, *spec.shape))), *_edges(spec))
    found[items - items // 8 :] = random.choice([edges.min, -1, 0, 1, edges.max], spec.shape)
    return found.astype(spec.dtype.numpy)


def _edges(spec: Spec) -> tuple[int, int]:
    edges = np.iinfo(spec.dtype.numpy)
    return int(edges.min), int(edges.max)


def extremes(spec: Spec) -> Array:
    low, high = _edges(spec)
    return np.stack([np.full(spec.shape, v, spec.dtype.numpy) for v in (low, high, 0, -1)])


SHAPES = [(1, DType.INT8), (2, DType.INT16), (33, DType.INT8), (40, DType.INT16), (257, DType.INT8)]


@pytest.mark.parametrize(("count", "dtype"), SHAPES)
def test_mahalanobis(count: int, dtype: DType) -> None:
    random = np.random.default_rng(count)
    spec = features(count, dtype)
    items = drawn(random, spec, 200)
    stage = Mahalanobis(least_deviation=float(random.choice([0.125, 1.0]))).fit(spec, items[:150])
    block = stage.bind(spec)
    found = assert_block(block, np.concatenate([items, extremes(spec)]))
    deviations = np.maximum(stage.deviations, stage.least_deviation)
    exact = np.minimum(((items[:150] - np.array(stage.means)) / deviations) ** 2, 1023).mean(1)
    # Rounding down moves a value by at most 1 / 1024 of its deviation, and the mean's fraction bits
    # by 1 / 2**12 of the smallest.
    np.testing.assert_allclose(found[:150, 0] * block.out.scale, exact, rtol=0.01, atol=0.01)
    assert block.out.limits is not None
    assert found.min() >= 0
    assert found.max() * block.out.scale <= block.out.limits[1]


@pytest.mark.parametrize(
    ("count", "dtype", "clusters"),
    [
        (1, DType.INT8, 4),
        (2, DType.INT16, 1),
        (33, DType.INT8, 3),
        (33, DType.INT16, 8),
        (40, DType.INT16, 5),
        (257, DType.INT8, 8),
    ],
)
def test_k_means(count: int, dtype: DType, clusters: int) -> None:
    random = np.random.default_rng(count * clusters)
    spec = features(count, dtype)
    items = drawn(random, spec, 160)
    stage = KMeans(clusters).fit(spec, items)
    block = stage.bind(spec)
    found = assert_block(block, np.concatenate([items, extremes(spec)]))
    assert found.min() >= 0
    centres = np.array(stage.centres)
    unit = point_unit(count)
    deviations = np.maximum(stage.deviations, stage.least_deviation)
    z = np.clip((items - np.array(stage.means)) / deviations, -32, 32)
    exact = ((z[:, None] - centres / unit) ** 2).mean(2).min(1)
    np.testing.assert_allclose(found[:160, 0] * block.out.scale, exact, rtol=0.05, atol=0.2)


@pytest.mark.parametrize("count", [1, 128, 129, 4096])
def test_largest_distance_between_points_fits(count: int) -> None:
    limit = point_limit(count)
    assert count * (2 * limit - 1) ** 2 < 2**31
    spec = features(count)
    ends = tuple((value,) * count for value in (-limit, limit - 1))
    flat = {"means": (0.0,) * count, "deviations": (1.0,) * count}
    for centre in ends:
        found = assert_block(KMeans(1, **flat, centres=(centre,)).bind(spec), extremes(spec))
        assert found.max() == count * (2 * limit - 1) ** 2
        assert found.min() == 0


def test_centres_find_groups_and_are_the_same_again() -> None:
    random = np.random.default_rng(5)
    groups = np.array([[-500] * 6, [400] * 6, [0, 300] * 3, [300, 0] * 3])
    points = (groups[random.integers(0, 4, 400)] + random.integers(-3, 4, (400, 6))).astype(int)
    found = fitted_centres(points, 4, 0)
    np.testing.assert_array_equal(found, fitted_centres(points, 4, 0))
    distances = np.abs(found[:, np.newaxis] - groups).max(axis=2)
    assert distances.min(axis=0).max() <= 2  # every group has a centre, in its middle


def test_constant_values_do_not_decide() -> None:
    spec = features(3)
    items = np.array([[5, -700, 1], [5, -690, 2], [5, -710, 3]], np.int16)
    for stage in (Mahalanobis(), KMeans(1), Normal(learn_windows=3)):
        block = stage.fit(spec, items).bind(spec)
        found = assert_block(block, np.concatenate([items, items, items + np.int16(1)]))
        assert found.max() * block.out.scale < 10


@pytest.mark.parametrize("seed", range(4))
def test_probability(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    spec = features(count, DType.INT8, scale=1 / 256, zero_point=-128)
    labels = random.choice(count, int(random.integers(1, count + 1)), replace=False)
    items = random.integers(-128, 128, (50, count)).astype(np.int8)
    block = Probability(tuple(labels.tolist())).bind(spec)
    found = assert_block(block, np.concatenate([items, extremes(spec)]))
    real = (items[:, labels].astype(float) + 128).sum(1) / 256
    np.testing.assert_array_equal(found[:50, 0] * block.out.scale, real)


@pytest.mark.parametrize("seed", range(5))
def test_reconstruction(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.choice([1, 2, 40, 784]))
    zeros = random.choice([-128, -3, 0, 127], 2)
    scales = 10 ** random.uniform(-3, 1, 2) if seed else (0.05, 5e-9)
    seen, given = (
        features(count, DType.INT8, scale=float(s), zero_point=int(z))
        for s, z in zip(scales, zeros, strict=True)
    )
    block = Reconstruction().bind(given, seen)
    items = random.integers(-128, 128, (60, 2 * count)).astype(np.int8)
    items[:4] = np.repeat([[-128, 127], [127, -128], [-128, -128], [127, 127]], count, axis=1)
    found = assert_block(block, items)
    real = (items[:, :count] - float(zeros[0])) * scales[0]
    real -= (items[:, count:] - float(zeros[1])) * scales[1]
    exact = (real**2).mean(1)
    step = max(scales) / 64
    largest = np.sqrt(exact.max())
    np.testing.assert_allclose(
        found[:, 0] * block.out.scale, exact, atol=2 * step * largest, rtol=0.01
    )


class TestNormal:
    SPEC = features(5, DType.INT16, scale=0.5, zero_point=10)

    def _items(self, count: int, seed: int = 1) -> Array:
        random = np.random.default_rng(seed)
        return np.round(random.normal([0, 100, -3000, 7, 20000], [1, 5, 300, 0, 2000], (count, 5)))

    @pytest.mark.parametrize(("count", "dtype"), SHAPES)
    def test_any_features(self, count: int, dtype: DType) -> None:
        random = np.random.default_rng(count)
        spec = features(count, dtype)
        items = drawn(random, spec, 200)
        stage = Normal(learn_windows=int(random.integers(2, 60)), least_deviation=0.125)
        if count % 2:
            stage = stage.fit(spec, drawn(random, spec, 100))
        stage = dataclasses.replace(stage, margin=float(random.uniform(0, 0.3)))
        assert_block(stage.bind(spec), np.concatenate([items, extremes(spec), items]))

    def test_learns_exactly_n_windows_and_then_what_mahalanobis_fits(self) -> None:
        items = self._items(60).astype(np.int16)
        block = Normal(learn_windows=40).bind(self.SPEC)
        found = assert_block(block, items)
        assert not found[:40].any()
        same = Mahalanobis().fit(self.SPEC, items[:40]).bind(self.SPEC).run(items[40:], ())[0]
        np.testing.assert_allclose(found[40:], same, rtol=1e-3)
        _, (_, learnt) = block.run(items[:39], block.start())
        assert learnt[0] == 39
        _, (sums, learnt) = block.run(items[:40], block.start())
        _, (later, still) = block.run(items[40:], (sums, learnt))
        assert learnt[0] == still[0] == 40
        np.testing.assert_array_equal(sums, later)

    def test_gate_keeps_implausible_windows_out(self) -> None:
        items = self._items(60).astype(np.int16)
        stage = Normal(learn_windows=20, margin=0.2).fit(self.SPEC, items)
        strange = items.copy()
        strange[::2, 1] = 30_000
        found = assert_block(stage.bind(self.SPEC), strange)
        only = stage.bind(self.SPEC).run(strange[1::2], stage.bind(self.SPEC).start())[0]
        np.testing.assert_array_equal(found[1::2], only)
        never = items + np.array([0, 0, 0, 100, 0], np.int16)
        block = stage.bind(self.SPEC)
        assert_block(block, never)
        assert block.run(never, block.start())[1][1][0] == 0

    def test_real_limits_are_those_of_every_value(self) -> None:
        stage = Normal(learn_windows=2, lowest=-5.0, highest=5.25)
        block = stage.bind(self.SPEC)
        np.testing.assert_array_equal(block.limits, [[0, 20]] * 5)  # 0.5 * (20 - 10) = 5
        items = np.array([[0] * 5, [-1, 0, 0, 0, 0], [0, 0, 0, 0, 21], [20] * 5, [7] * 5], np.int16)
        assert_block(block, items)
        assert [int(block.run(items[:n], block.start())[1][1][0]) for n in range(6)] == [
            *(0, 1, 1, 1, 2, 2)
        ]

    def test_factory_values_until_learnt(self) -> None:
        items = self._items(50).astype(np.int16)
        stage = Normal(learn_windows=20, margin=None).fit(self.SPEC, items[:30])
        found = assert_block(stage.bind(self.SPEC), items)
        factory = Mahalanobis(means=stage.means, deviations=stage.deviations).bind(self.SPEC)
        np.testing.assert_array_equal(found[:20], factory.run(items[:20], ())[0])
        assert (found[20:] != factory.run(items[20:], ())[0]).any()

    @pytest.mark.parametrize("value", [-32768, 32767])
    def test_sums_of_the_most_windows_fit(self, value: int) -> None:
        spec = features(2)
        block = Normal(learn_windows=1 << 16).bind(spec)
        items = np.full((1 << 16, 2), value, np.int16)
        items[::2, 1] = -32768
        found = assert_block(block, np.concatenate([items, extremes(spec)]))
        assert found[-4 if value < 0 else -3, 0] < found[-2, 0]

    @pytest.mark.parametrize("edge", [1 - 2**63, 2**63 - 1])
    def test_any_state_is_defined(self, edge: int) -> None:
        """A state that was loaded with a right checksum may still be nonsense."""
        spec = features(2)
        call = Normal(learn_windows=2).bind(spec).lower()
        for learnt in (1, 7):
            sums, count = call.state
            hostile = (
                dataclasses.replace(sums, start=edge),
                dataclasses.replace(count, start=learnt),
            )
            block = _Started(Normal(learn_windows=2).bind(spec), hostile)
            run_c_of(block, [extremes(spec)])

    def test_nothing_plausible_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="never learns"):
            Normal(lowest=5.0, highest=4.0).bind(self.SPEC)


class _Started:
    """A block with other contents of its memory at the start."""

    def __init__(self, block: object, state: object) -> None:
        self._block, self._state = block, state

    def __getattr__(self, name: str) -> object:
        return getattr(self._block, name)

    def lower(self) -> object:
        return dataclasses.replace(self._block.lower(), state=self._state)


@pytest.mark.parametrize("kind", [Mahalanobis, KMeans, Normal])
def test_json_gives_an_equal_stage(kind: type) -> None:
    spec = features(3)
    items = np.arange(60).reshape(20, 3).astype(np.int16)
    stage = kind().fit(spec, items)
    assert stage.is_fitted
    assert not kind().is_fitted
    assert from_json(kind, to_json(kind, stage)) == stage


@pytest.mark.parametrize("kind", [Mahalanobis, KMeans])
def test_unfitted_stages_do_not_bind(kind: type) -> None:
    with pytest.raises(ConfigError, match="is not fitted"):
        kind().bind(features(3))


@pytest.mark.parametrize("kind", [Mahalanobis, KMeans, Normal])
def test_what_does_not_fit_is_refused(kind: type) -> None:
    spec = features(3)
    stage = kind(**({"clusters": 2} if kind is KMeans else {}))
    items = np.arange(60).reshape(20, 3).astype(np.int16)
    fitted = stage.fit(spec, items)
    with pytest.raises(ConfigError, match=r"(for|are not) 4 values"):
        fitted.bind(features(4))
    for wrong in (features(3, DType.FLOAT32), features(3, DType.INT32), features(5000)):
        with pytest.raises(ConfigError, match="takes"):
            fitted.bind(wrong)
    with pytest.raises(ConfigError, match="works on a features"):
        fitted.bind(features(3, form=Form.SCORE))
    for few in (items[:0], items[:1]):
        with pytest.raises(ConfigError, match="cannot be fitted on"):
            stage.fit(spec, few)


BAD = [
    (Mahalanobis, {"means": (float("nan"),)}),
    (Mahalanobis, {"means": 3}),
    (Mahalanobis, {"means": ("a",)}),
    (Mahalanobis, {"means": (1e9,)}),
    (Mahalanobis, {"deviations": (-1.0,)}),
    (Mahalanobis, {"least_deviation": 0.0}),
    (KMeans, {"clusters": 0}),
    (KMeans, {"clusters": 65}),
    (KMeans, {"seed": -1}),
    (KMeans, {"centres": 5}),
    (KMeans, {"centres": ("abc",)}),
    (KMeans, {"centres": ((1.5,),)}),
    (KMeans, {"centres": ((1 << 20,),)}),
    (KMeans, {"centres": ((1,),) * 65}),
    (Normal, {"learn_windows": 1}),
    (Normal, {"learn_windows": (1 << 16) + 1}),
    (Normal, {"margin": -0.1}),
    (Normal, {"margin": float("inf")}),
    (Normal, {"lowest": float("nan")}),
    (Normal, {"smallest": (1e9,)}),
    (Probability, {"labels": ()}),
    (Probability, {"labels": (1, 1)}),
    (Probability, {"labels": (-1,)}),
    (Probability, {"labels": "1"}),
]


@pytest.mark.parametrize(("kind", "options"), BAD)
def test_bad_options_are_refused(kind: type, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"{kind.__name__}\.{next(iter(options))}"):
        kind(**options)


def test_k_means_needs_different_windows() -> None:
    with pytest.raises(ConfigError, match="8 centres in 1 different"):
        KMeans(8).fit(features(3), np.ones((20, 3), np.int16))


def test_models_that_do_not_fit_are_refused() -> None:
    outputs = features(4, DType.INT8, scale=1 / 256, zero_point=-128)
    with pytest.raises(ConfigError, match="class 4, but the model has 4"):
        Probability(4).bind(outputs)
    with pytest.raises(ConfigError, match="but the model gives"):
        Probability().bind(dataclasses.replace(outputs, scale=0.1, zero_point=0))
    with pytest.raises(ConfigError, match="output of a classifier"):
        Probability().bind(features(4))
    with pytest.raises(ConfigError, match="there is no model"):
        Reconstruction().bind(outputs)
    for seen in (features(3, DType.INT8), features(4)):
        with pytest.raises(ConfigError, match="the input is"):
            Reconstruction().bind(outputs, seen)
