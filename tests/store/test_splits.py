"""A split never puts the same session, day or samples on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.motions import SENSOR, drawn, record
from tflm_ext.errors import ConfigError
from tflm_ext.store import Split, Store, split
from tflm_ext.store.splits import require_apart


def filled(folder: Path, sessions: int = 6, labels: tuple[str, ...] = ("rest", "wave")) -> Store:
    """A store with a segment of each label in each session, each of which has another day."""
    store = Store(folder)
    for session in range(sessions):
        for number, label in enumerate(labels):
            when = f"2026-04-{session // 2 + 1:02}T10:00:00+00:00"
            samples = drawn(10 * session + number, 80 + 40 * session)
            record(store, label, samples, f"s{session}", when=when)
    return store


def _sessions(side: Any) -> set[str]:
    return {one.session for one in side}


def test_random_stores(tmp_path: Path) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        store = Store(tmp_path / str(seed))
        labels = [f"l{i}" for i in range(int(random.integers(1, 4)))]
        for session in range(int(random.integers(3, 9))):
            for number, label in enumerate(labels):
                if session < 2 or random.random() < 0.7:
                    length = int(random.integers(20, 400))
                    record(
                        store, label, drawn(seed * 99 + session * 9 + number, length), f"s{session}"
                    )
        share = float(random.uniform(0.1, 0.6))
        found = split(store, share, seed=seed)
        assert sorted((*found.train, *found.test), key=lambda s: s.name) == sorted(
            store.segments(), key=lambda s: s.name
        )
        assert not _sessions(found.train) & _sessions(found.test)
        assert {one.label for one in found.test} == {one.label for one in found.train}
        assert split(store, share, seed=seed) == found


def test_the_share_is_near(tmp_path: Path) -> None:
    store = filled(tmp_path, 12, ("wave",))
    for share in (0.1, 0.2, 0.5):
        found = split(store, share)
        lengths = [sum(one.samples for one in side) for side in (found.test, found.train)]
        assert abs(lengths[0] / sum(lengths) - share) < 0.03
    for seed in range(5):
        assert split(store, 0.5, seed=seed) == split(store, 0.5, seed=seed)
    choices = {tuple(one.name for one in split(store, 0.5, seed=seed).test) for seed in range(5)}
    assert len(choices) > 1


def test_days(tmp_path: Path) -> None:
    store = filled(tmp_path)
    found = split(store, 0.4, by="day")
    assert not {one.day for one in found.train} & {one.day for one in found.test}
    given = split(store, ["2026-04-02"], by="day")
    assert _sessions(given.test) == {"s2", "s3"}
    assert str(given) == (
        "rest: 14.40 s to train, 7.20 s to test\nwave: 14.40 s to train, 7.20 s to test"
    )
    recordings, numbers = store.labelled(segments=given.test)
    assert (len(recordings), sorted(numbers)) == (4, [0, 0, 1, 1])
    record(store, "wave", drawn(500, 30), "s9", when="")
    with pytest.raises(ConfigError, match="The day of wave/s9-1 is not known"):
        split(store, by="day")


def test_a_class_with_one_session(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    record(store, "jump", drawn(900, 50), "s0")
    record(store, "jump", drawn(901, 50), "s0")
    with pytest.raises(ConfigError) as error:
        split(store)
    assert str(error.value) == (
        "The class 'jump' has recordings of one session only, s0: it cannot be both trained and "
        "tested.\nRecord it again on another occasion."
    )
    with pytest.raises(ConfigError, match="one day only, 2026-04-01"):
        split(filled(tmp_path / "b", 2), by="day")


def test_a_rare_class_is_on_both_sides(tmp_path: Path) -> None:
    """Also where the share would be nearer without it."""
    store = filled(tmp_path)
    for session in ("s0", "s5"):
        record(store, "jump", drawn(ord(session[1]), 50), session)
    for seed in range(5):
        found = split(store, 0.05, seed=seed)
        assert {one.label for one in found.test} == {"rest", "wave", "jump"}


def test_given_sides_that_leak(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    everything = store.segments()
    with pytest.raises(ConfigError, match="The session s0 is on both sides"):
        require_apart(Split(everything[1:], everything[:1]))
    with pytest.raises(ConfigError, match="only on one side"):
        require_apart(Split(store.segments("rest"), ()))
    with pytest.raises(ConfigError, match="'s7' is not known"):
        split(store, ["s7"])
    with pytest.raises(ConfigError, match="only on one side"):
        split(store, ["s0", "s1", "s2"])
    record(store, "jump", drawn(900, 50), "s3")
    record(store, "jump", drawn(901, 50), "s4")
    with pytest.raises(ConfigError, match="The class 'jump' is only on one side"):
        split(store, ["s0"])


def test_copies_on_both_sides(tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    copied = store.segment("wave/s0-2").read()
    own = np.concatenate([drawn(700, 40), copied, drawn(701, 40)])
    record(store, "wave", own, "copy")
    with pytest.raises(ConfigError) as error:
        split(store, ["copy", "s1"])
    assert str(error.value) == (
        "wave/s0-2 and wave/copy-1 have 80 samples in common, but would be on different sides of "
        "the split.\nRemove one of them, or rename its session so that both belong to one."
    ) or str(error.value).startswith("wave/copy-1 and wave/s0-2 have 80 samples in common")
    assert _sessions(split(store, ["copy", "s0"]).test) == {"copy", "s0"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"test": 0}, "test"), ({"test": 1.0}, "test"), ({"test": "s0"}, "neither a share"),
        ({"test": True}, "neither a share"), ({"test": []}, "there are none"),
        ({"test": None}, "neither a share"), ({"test": float("nan")}, "test"),
        ({"by": "window"}, "by='window'"), ({"by": "sesion"}, "by="), ({"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_other_arguments(tmp_path: Path, options: Any, why: str) -> None:
    store = filled(tmp_path, 3)
    with pytest.raises(ConfigError, match=why):
        split(store, **options)


def test_an_empty_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recordings to split"):
        split(Store(tmp_path))
    assert SENSOR.channels == 3
