"""Decisions: NumPy and C give the same integers, and both do what the documentation says."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.document import from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import Alarm, Detect, Majority
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array

SCORE = Spec(Form.SCORE, DType.INT32, (1,), Fraction(2), Fraction(16_000), scale=0.25)


def classes(count: int, zero_point: int = -128, scale: float = 1 / 256) -> Spec:
    return Spec(
        Form.FEATURES,
        DType.INT8,
        (count,),
        Fraction(10),
        Fraction(16_000),
        scale=scale,
        zero_point=zero_point,
    )


def events(found: Array) -> list[int]:
    return np.flatnonzero(found[:, 0]).tolist()


def bumpy(random: np.random.Generator, count: int, top: int) -> Array:
    """Scores that are low and high for a while, with single outliers."""
    levels = np.repeat(random.integers(0, top, count // 10 + 1), 10)[:count]
    noise = random.integers(-top // 8, top // 8 + 1, count)
    outliers = np.where(random.random(count) < 0.05, random.integers(0, top, count), 0)
    return np.clip(levels + noise + outliers, 0, top)[:, np.newaxis].astype(np.int32)


# ---------------------------------------------------------------- alarm


@pytest.mark.parametrize("seed", range(6))
def test_alarm_does_what_is_documented(seed: int) -> None:
    random = np.random.default_rng(seed)
    of = int(random.choice([1, 2, 5, 31, 32]))
    alarm = Alarm(
        average=int(random.choice([1, 2, 16, 1024])),
        needed=int(random.integers(1, of + 1)),
        of=of,
        quiet_seconds=float(random.choice([0, 0.4, 3, 20])),
        on=250.0,
        off=float(random.choice([100.0, 250.0])),
    )
    items = bumpy(random, 600, 2000)
    if alarm.average > 16:
        items[300:] = 2000
    found = assert_block(alarm.bind(SCORE), items)
    expected = list(_alarm(items[:, 0].tolist(), alarm))
    np.testing.assert_array_equal(found[:, :2], [row[:2] for row in expected])
    # The mean is exact but for the fraction bits.
    np.testing.assert_allclose(found[:, 2], [row[2] for row in expected], atol=1.01)


def _alarm(scores: Iterable[int], alarm: Alarm) -> Iterable[tuple[bool, bool, float]]:
    """An alarm in words: deques, fractions and seconds."""
    assert alarm.on is not None
    assert alarm.off is not None
    total: int | None = None
    high, silent = False, False
    recent: deque[bool] = deque(maxlen=alarm.of)
    low_windows = 0
    for score in scores:
        total = score * alarm.average if total is None else total
        total += score - math.floor(Fraction(total, alarm.average))
        mean = Fraction(total, alarm.average)
        high = math.floor(mean) * SCORE.scale >= (alarm.off if high else alarm.on)
        fired = False
        if silent:
            low_windows = 0 if high else low_windows + 1
            silent = low_windows < max(alarm.quiet_seconds * 2, 1)
        else:
            recent.append(high)
            if sum(recent) >= alarm.needed:
                fired, silent, low_windows = True, True, 0
                recent.clear()
        yield fired, high, math.floor(mean)


def test_a_long_alarm_is_one_event_and_quiet_time_begins_below_off() -> None:
    alarm = Alarm(on=100.0, off=50.0, quiet_seconds=2.0).bind(SCORE)  # 4 windows
    high, middle, low = 400, 300, 100
    scores = [low] * 3 + [high] * 50 + [middle] * 50 + [low] * 3 + [high] * 2 + [low] * 4 + [high]
    found = assert_block(alarm, np.array(scores, np.int32)[:, np.newaxis])
    assert events(found) == [3, len(scores) - 1]
    assert found[:, 1].tolist() == [0] * 3 + [1] * 100 + [0] * 3 + [1] * 2 + [0] * 4 + [1]


def test_windows_before_the_quiet_time_do_not_count_after_it() -> None:
    alarm = Alarm(on=100.0, needed=2, of=5).bind(SCORE)
    scores = [400, 400, 400, 0, 400, 0, 0, 400]
    found = assert_block(alarm, np.array(scores, np.int32)[:, np.newaxis])
    assert events(found) == [1, 7]  # the low window 3 ends the first one; then 4 and 7 count


@pytest.mark.parametrize("average", [1, 16, 1024])
def test_saturated_scores(average: int) -> None:
    edges = [2**31 - 1] * 40 + [-(2**31)] * 40 + [2**31 - 1, -(2**31)] * 20 + [0] * 10
    items = np.array(edges, np.int32)[:, np.newaxis]
    alarm = Alarm(average, on=2.0**28, off=-(2.0**28), quiet_seconds=5e8 / 2**20)
    found = assert_block(alarm.bind(SCORE), items)
    assert events(found)[0] == 0


@pytest.mark.parametrize("average", [2, 16, 1024])
def test_the_mean_of_a_constant_score_becomes_that_score(average: int) -> None:
    block = Alarm(average, on=1e6).bind(SCORE)
    for first in (0, 5000, -700):
        items = np.array([first] * 3 + [1234] * 20 * average, np.int32)[:, np.newaxis]
        assert block.run(items, block.start())[0][-1, 2] == 1234


@pytest.mark.parametrize(
    "block",
    [
        Alarm(16, 3, 5, 2.0, on=100.0, off=50.0).bind(SCORE),
        Detect(16, 3, 5, 2.0, on=0.5).bind(classes(3)),
        Majority(9, 2.0).bind(classes(3)),
    ],
)
@pytest.mark.parametrize("loud", [False, True])
def test_nothing_counts_windows(block: object, loud: bool) -> None:
    """Constant inputs lead to a state that repeats, so that there is no number that can wrap."""
    kind = block.source.dtype.numpy
    items = np.full((2000, *block.source.shape), 0 if block.source.size > 1 else 100 * loud, kind)
    if loud and block.source.size > 1:
        items[:, 1] = 127
    elif loud:
        items[:] = 5000
    _, state = block.run(items, block.start())
    period = 5 * 9
    _, later = block.run(items[:period], state)
    for now, then in zip(state, later, strict=True):
        np.testing.assert_array_equal(now, then)


# ---------------------------------------------------------------- detect


@pytest.mark.parametrize("seed", range(6))
def test_detect_does_what_is_documented(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.choice([1, 2, 4, 12]))
    spec = classes(count, int(random.choice([-128, -128, 0, 127])))
    of = int(random.choice([1, 3, 7, 32]))
    detect = Detect(
        average=int(random.choice([1, 4, 16])),
        needed=int(random.integers(1, min(of, 6) + 1)),
        of=of,
        quiet_seconds=float(random.choice([0, 0.5, 2])),
        on=(20 - (spec.zero_point + 128)) / 256,
        off=(5 - (spec.zero_point + 128)) / 256,
        background=0 if random.random() < 0.5 and count > 1 else None,
        margin=float(random.choice([0, 10 / 256])),
    )
    items = random.integers(-128, -80, (500, count)).astype(np.int8)
    words = np.repeat(random.integers(0, count, 50), 10)
    items[np.arange(500), words] = random.integers(-128, 128, 500)
    items[-8:] = np.array([[-128], [127], [-128], [127]] * 2)
    found = assert_block(detect.bind(spec), items)
    expected = list(_detect(items.astype(int) - spec.zero_point, detect))
    np.testing.assert_array_equal(found, expected)


def _detect(values: Array, detect: Detect) -> Iterable[tuple[bool, int, int]]:
    """Detection in words: deques, and no state but what the documentation speaks of."""
    assert detect.on is not None
    totals = values[0] * detect.average
    active, last = -1, -1
    silent, without = False, 0
    recent: deque[int] = deque(maxlen=detect.of)
    for value in values:
        totals = totals + value - totals // detect.average
        means = totals // detect.average
        order = sorted(range(len(means)), key=lambda i: (-means[i], i))
        best, others = order[0], [means[i] for i in order[1:]]
        threshold = detect.off if best == active else detect.on
        found = means[best] / 256 >= threshold and best != detect.background
        found = found and all(means[best] >= other + detect.margin * 256 for other in others)
        active = best if found else -1
        fired = False
        if silent:
            without = 0 if active == last else without + 1
            silent = without < max(detect.quiet_seconds * 10, 1)
        else:
            recent.append(active)
            if active >= 0 and recent.count(active) >= detect.needed:
                fired, silent, without, last = True, True, 0, active
                recent.clear()
        yield fired, active, means[best]


def test_detect_on_a_score_is_alarm() -> None:
    items = bumpy(np.random.default_rng(3), 200, 2000)
    options = {"average": 4, "needed": 2, "of": 3, "on": 250.0, "off": 200.0}
    ours, alarm = Detect(**options).bind(SCORE), Alarm(**options).bind(SCORE)
    np.testing.assert_array_equal(assert_block(ours, items), alarm.run(items, alarm.start())[0])
    with pytest.raises(ConfigError, match="are for classes"):
        Detect(**options, margin=0.1).bind(SCORE)


# ---------------------------------------------------------------- majority


@pytest.mark.parametrize("seed", range(6))
def test_majority_does_what_is_documented(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.choice([1, 2, 5]))
    spec = classes(count, int(random.choice([-128, 0])))
    majority = Majority(
        of=int(random.choice([1, 2, 9, 40])),
        hold_seconds=float(random.choice([0, 0.1, 1, 4])),
        threshold=(40 - (spec.zero_point + 128)) / 256 if seed % 2 else None,
    )
    items = random.integers(-128, -60, (600, count)).astype(np.int8)
    words = np.repeat(random.integers(0, count, 12), 50)
    items[np.arange(600), words] = random.integers(-128, 128, 600)
    found = assert_block(majority.bind(spec), items)
    np.testing.assert_array_equal(
        found, list(_majority(items.astype(int) - spec.zero_point, majority))
    )


def _majority(values: Array, majority: Majority) -> Iterable[tuple[bool, int, int]]:
    recent: deque[int] = deque(maxlen=majority.of)
    label, kept = -1, 10**9
    for value in values:
        best = int(np.argmax(value))
        enough = majority.threshold is None or value[best] / 256 >= majority.threshold
        recent.append(best if enough else -1)
        kept += 1
        winners = [n for n in set(recent) if 2 * recent.count(n) > majority.of]
        fired = bool(winners) and winners[0] != label and kept >= majority.hold_seconds * 10
        if fired:
            label, kept = winners[0], 0
        yield fired, label, recent.count(label)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "stage",
    [
        Alarm(16, 3, 5, 60.0, on=3.5, off=2.0),
        Alarm(),
        Detect(4, 3, 5, 2.0, on=0.9, off=0.5, background=0, margin=0.1),
        Majority(9, 60.0, 0.6),
    ],
)
def test_json_gives_an_equal_stage(stage: object) -> None:
    assert from_json(type(stage), to_json(type(stage), stage)) == stage


@pytest.mark.parametrize(("kind", "source"), [(Alarm, SCORE), (Detect, classes(3))])
def test_no_threshold_yet(kind: type, source: Spec) -> None:
    with pytest.raises(ConfigError, match="has no threshold yet"):
        kind().bind(source)


def test_thresholds_that_are_never_reached_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"on=1.2 is above 0\.996094"):
        Detect(on=1.2).bind(classes(3))
    with pytest.raises(ConfigError, match="is above 5"):
        Alarm(on=5.2).bind(dataclasses.replace(SCORE, limits=(0.0, 5.0)))
    with pytest.raises(ConfigError, match="is above"):
        Majority(threshold=7.0).bind(classes(3))
    assert Detect(on=-1e12).bind(classes(3)).on < 0  # always reached


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="class 3, but the model has 3"):
        Detect(on=0.5, background=3).bind(classes(3))
    with pytest.raises(ConfigError, match="works on a score"):
        Alarm(on=1.0).bind(classes(3))
    with pytest.raises(ConfigError, match="works on a features"):
        Majority().bind(SCORE)
    with pytest.raises(ConfigError, match="output of a classifier"):
        Detect(on=0.5).bind(dataclasses.replace(classes(3), dtype=DType.INT16))
    fast = dataclasses.replace(SCORE, rate=Fraction(10_000))
    with pytest.raises(ConfigError, match="windows of this pipeline"):
        Alarm(on=1.0, quiet_seconds=9e6).bind(fast)


BAD = [
    {"average": 3},
    {"average": 0},
    {"average": 2048},
    {"average": True},
    {"average": "4"},
    {"average": [4]},
    {"of": 33},
    {"of": 0},
    {"needed": 2},
    {"needed": 0},
    {"quiet_seconds": -1.0},
    {"quiet_seconds": float("nan")},
    {"quiet_seconds": 1e300},
    {"on": float("inf")},
    {"on": "1"},
    {"off": float("nan")},
]


@pytest.mark.parametrize("kind", [Alarm, Detect])
@pytest.mark.parametrize("options", BAD)
def test_bad_options_are_refused(kind: type, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"{kind.__name__}\.{next(iter(options))}="):
        kind(**options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Detect, {"margin": -0.1}),
        (Detect, {"background": -1}),
        (Majority, {"of": 1025}),
        (Majority, {"hold_seconds": float("inf")}),
        (Majority, {"threshold": float("nan")}),
        (Alarm, {"off": 2.0, "on": 1.0}),
    ],
)
def test_other_bad_options_are_refused(kind: type, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"{kind.__name__}\.{next(iter(options))}="):
        kind(**options)
