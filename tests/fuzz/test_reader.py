"""Whatever the bytes: a graph or a TflmExtError, soon, and in little memory.

Twenty seconds in the suite; `make fuzz SECONDS=3600` for as long as one likes, from another seed.
"""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.mutations import Mutation, mutate, mutations
from tflm_ext.errors import TflmExtError
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.base import Array
from tflm_ext.passes import run_passes
from tflm_ext.rewrite import prepare

_SECONDS = os.environ.get("TFLM_EXT_FUZZ_SECONDS") or ""
SECONDS = float(_SECONDS or 20) / 2
FIRST_SEED = int(time.time()) if _SECONDS else 0

MAX_SECONDS = 20
MAX_BYTES = 64 << 20
MAX_BYTES_PER_BYTE = 64
SMALL = 1 << 16


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Fail instead of hanging."""

    def stop(*_: object) -> None:
        raise AssertionError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def identity(
    model: bytes, inputs: Sequence[Array], output_count: int, arena_bytes: int
) -> Sequence[Array]:
    """In place of TFLM: a child process for each of many files is slow."""
    return [inputs[0]] * output_count


def check(data: bytes) -> None:
    """The property."""
    tracemalloc.start()
    try:
        with limited(MAX_SECONDS):
            with (
                patch("tflm_ext.rewrite.settle.edited", lambda given, edit: given),
                patch("tflm_ext.rewrite.moves.edited", lambda given, edit: given),
            ):
                prepared = prepare(data).data
            graph = read_graph(strip_ports(prepared).data, run=identity)
    except TflmExtError as error:
        assert error.exit_code == 3
        assert error.problem.isprintable()
        assert error.hint.isprintable()
        assert len(str(error)) < 1000
        return
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= MAX_BYTES + MAX_BYTES_PER_BYTE * len(data)
    work = sum(BY_NAME[view.node.operator].macs(view) for view in graph.views())
    work += sum(t.elements for t in graph.tensors.values())
    with limited(MAX_SECONDS):
        run_passes(graph, prove=work < SMALL)


def fuzz(files: Sequence[bytes]) -> None:
    """Check damaged files until the time is up."""

    @given(st.integers(0, len(files) - 1), st.integers(0, len(files) - 1), mutations)
    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    def run(file: int, other: int, changes: Sequence[Mutation]) -> None:
        check(mutate(files[file], changes, files[other]))

    end, seed = time.monotonic() + SECONDS, FIRST_SEED
    while time.monotonic() < end:
        seeded: Callable[[], Any] = hypothesis.seed(seed)(run)
        seeded()
        seed += 1


@pytest.mark.slow
@pytest.mark.fuzz
def test_damaged_small_models() -> None:
    fuzz(seeds.built())


@pytest.mark.slow
@pytest.mark.fuzz
def test_damaged_real_models() -> None:
    if not seeds.real():
        pytest.skip("no real models; set TFLM_EXT_MODELS to a folder with some")
    fuzz(seeds.real())


@pytest.mark.parametrize("size", [0, 1, 4, 7, 8, 64, 1024])
def test_noise(size: int) -> None:
    @given(st.binary(min_size=size, max_size=size), st.booleans())
    @settings(max_examples=20)
    def run(data: bytes, marked: bool) -> None:
        check(data[:4] + b"TFL3" + data[8:] if marked else data)

    run()


def test_undamaged() -> None:
    for model in seeds.built():
        check(model)
