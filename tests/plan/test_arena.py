"""Placement of buffers: right, tight, the same every time, and checked by an honest checker."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.plan import arena
from tflm_ext.plan.arena import (
    ALIGNMENT,
    Buffer,
    Overlay,
    arena_size,
    check_placement,
    lower_bound,
    place,
)


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    made: list[Buffer] = []
    for key in range(draw(st.integers(1, 12))):
        first = draw(st.integers(-1, 10))
        last = draw(st.integers(first, 11))
        partners = [
            Overlay(b.key, draw(st.none() | st.integers(0, 99)))
            for b in made
            if b.last == first and draw(st.booleans())
        ]
        made.append(Buffer(key, draw(st.integers(1, 999)), first, last, tuple(partners)))
    return made


@given(buffers())
def test_placements_are_right_and_repeatable(made: list[Buffer]) -> None:
    offsets = place(made)
    assert check_placement(made, offsets) is None
    assert all(at % ALIGNMENT == 0 for at in offsets.values())
    assert lower_bound(made) <= arena_size(made, offsets) <= sum(b.size for b in made)
    assert place(made) == offsets


def test_chain_reaches_the_live_maximum() -> None:
    sizes = [490, 8000, 8000, 8000, 64, 12]
    chain = [Buffer(i, size, i - 1, i) for i, size in enumerate(sizes)]
    assert arena_size(chain, place(chain)) == 16000


def test_in_place_overlay_is_used() -> None:
    chain = [
        Buffer("a", 100, -1, 0),
        Buffer("b", 100, 0, 1, (Overlay("a"),)),
        Buffer("c", 40, 1, 2, (Overlay("b"),)),
    ]
    assert arena_size(chain, place(chain)) == 100


def test_an_output_runs_behind_its_input() -> None:
    """Convolutions whose output begins this many bytes before their input."""
    chain = [
        Buffer("a", 100, -1, 0),
        Buffer("b", 100, 0, 1, (Overlay("a", 9),)),
        Buffer("c", 60, 1, 2, (Overlay("b", 24),)),
    ]
    offsets = place(chain)
    assert offsets == {"c": 0, "b": 24, "a": 36}
    assert lower_bound(chain) == 124  # of one step; the chain as a whole needs twelve more


def test_a_residual_keeps_its_input() -> None:
    """The input of a skip connection lives until the addition."""
    made = [
        Buffer("x", 64, -1, 2),
        Buffer("conv", 64, 0, 1),
        Buffer("conv2", 64, 1, 2),
        Buffer("sum", 64, 2, 3, (Overlay("x"), Overlay("conv2"))),
    ]
    offsets = place(made)
    assert arena_size(made, offsets) == 192
    assert offsets["sum"] in (offsets["x"], offsets["conv2"])


@pytest.mark.parametrize(
    ("made", "bound"),
    [
        # Of two buffers that must start at the same address, only one can.
        (
            [
                Buffer("a", 40, -1, 0),
                Buffer("b", 40, -1, 0),
                Buffer("c", 64, 0, 1, (Overlay("a"), Overlay("b"))),
            ],
            104,
        ),
        # Two overlaps cannot save more than the whole buffer.
        (
            [
                Buffer("a", 40, 0, 0),
                Buffer("b", 40, 0, 0),
                Buffer("c", 20, 0, 1, (Overlay("a", 0), Overlay("b", 0))),
            ],
            80,
        ),
        # A buffer that ended before, or begins later, saves nothing.
        ([Buffer("a", 40, -1, 0), Buffer("b", 40, 1, 2, (Overlay("a"),))], 40),
        ([Buffer("a", 40, 2, 2), Buffer("b", 40, 1, 2, (Overlay("a"),))], 80),
        # Bytes that the lead keeps apart are not shared.
        ([Buffer("a", 40, -1, 0), Buffer("b", 40, 0, 1, (Overlay("a", 12),))], 52),
        ([Buffer("a", 40, -1, 0), Buffer("b", 40, 0, 1, (Overlay("a", 99),))], 80),
        ([], 0),
    ],
)
def test_the_bound_counts_shared_bytes_once(made: list[Buffer], bound: int) -> None:
    assert lower_bound(made) == bound


@pytest.mark.parametrize(
    ("made", "offsets"),
    [
        ([Buffer("a", 8, 0, 1), Buffer("b", 8, 2, 3)], {"a": 0, "b": 0}),
        ([Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)], {"a": 0, "b": 8}),
        ([Buffer("a", 6, 0, 1), Buffer("b", 8, 1, 2)], {"a": 0, "b": 8}),
        ([Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2, (Overlay("a"),))], {"a": 4, "b": 4}),
        ([Buffer("a", 40, 0, 1), Buffer("b", 40, 1, 2, (Overlay("a", 8),))], {"a": 8, "b": 0}),
        ([Buffer("a", 40, 0, 1), Buffer("b", 40, 1, 2, (Overlay("a", 0),))], {"a": 0, "b": 0}),
    ],
)
def test_checker_accepts_right_plans(made: list[Buffer], offsets: dict[object, int]) -> None:
    assert check_placement(made, offsets) is None
    assert check_placement(made[::-1], offsets) is None


@pytest.mark.parametrize(
    ("made", "offsets", "problem"),
    [
        (
            [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)],
            {"a": 0, "b": 4},
            "overlap while both are needed",
        ),
        (
            [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2)],
            {"a": 0, "b": 0},
            "overlap while both are needed",
        ),
        (
            [Buffer("a", 8, 0, 2), Buffer("b", 8, 1, 2, (Overlay("a"),))],
            {"a": 0, "b": 0},
            "overlap while both are needed",
        ),
        (
            [Buffer("a", 8, 0, 1), Buffer("b", 8, 1, 2, (Overlay("a"),))],
            {"a": 0, "b": 4},
            "overlap while both are needed",
        ),
        (
            [Buffer("a", 40, 0, 1), Buffer("b", 40, 1, 2, (Overlay("a", 9),))],
            {"a": 8, "b": 0},
            "overlap while both are needed",
        ),
        (
            [Buffer("a", 40, 0, 1), Buffer("b", 40, 1, 2, (Overlay("a", 9),))],
            {"a": 0, "b": 12},
            "overlap while both are needed",
        ),
        ([Buffer("a", 8, 0, 1)], {"a": 2}, "is at offset 2"),
        ([Buffer("a", 8, 0, 1)], {"a": -4}, "is at offset -4"),
    ],
)
def test_checker_finds_wrong_plans(
    made: list[Buffer], offsets: dict[object, int], problem: str
) -> None:
    assert problem in (check_placement(made, offsets) or "")


@pytest.mark.parametrize(
    ("made", "size"),
    [
        ([Buffer(0, 8, 0, 0), Buffer(1, 8, 1, 1)], 8),  # the whole gap
        ([Buffer(0, 8, 0, 0), Buffer(1, 4, 1, 1), Buffer(2, 4, 1, 1)], 8),  # the rest of it
        ([Buffer(0, 8, 0, 1), Buffer(1, 8, 1, 2)], 16),  # still read
        ([Buffer(0, 4, 0, 0), Buffer(1, 4, 0, 0), Buffer(2, 8, 1, 1)], 8),  # two gaps are one
        ([Buffer(0, 4, 0, 0), Buffer(1, 4, 0, 2), Buffer(2, 8, 1, 1)], 16),
        ([Buffer(2, 4, 0, 1), Buffer(1, 4, 0, 0), Buffer(0, 4, 0, 1), Buffer(3, 8, 2, 2)], 12),
    ],
)
def test_very_many_buffers_are_placed_in_gaps(
    made: list[Buffer], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena, "_STEPS", 0)
    offsets = place(made)
    assert check_placement(made, offsets) is None
    assert arena_size(made, offsets) == size


def test_offsets_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from tflm_ext.plan.arena import Buffer, place;"
        "print(place([Buffer(('t', str(i)), 37 * i % 101 + 1, i - 1, i + i % 3)"
        " for i in range(20)]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1
