"""Good files to damage: all that the tests of operators and of the frontend build, real ones."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.frontend import models, test_islands, test_ports
from tests.passes import (
    test_fold_constants,
    test_fuse_activation,
    test_fuse_pad,
    test_remove_unused,
    test_share_bytes,
)
from tests.rewrite import test_cut, test_moves, test_settle
from tests.test_models import FOLDER

_OPS = Path(__file__).resolve().parents[1] / "ops"


@cache
def built() -> tuple[bytes, ...]:
    """Small models, together with every operator that has a test."""
    own = [
        models.dense(),
        test_ports.ported(),
        test_islands.rows("ELU", "SQUARE"),
        test_islands.swish_like(),
        test_islands.two_at_once_and_one_behind(),
        test_fold_constants.constant_path(),
        test_fuse_activation.clamped("RELU", ("MINIMUM", 9)),
        test_fuse_pad.padded("MAX_POOL_2D"),
        test_remove_unused.branches(),
        *test_share_bytes.REMOVED.values(),
        *(make() for make in test_cut.CUT),
        test_moves.gates(),
        test_moves.chain(),
        test_settle.flatten(),
        test_settle.flatten(wide=False, float_port=True),
        *(
            test_settle.integers_as_shape(name)
            for name in (*test_settle.TFLM_RUNS, *test_settle.TFLM_LACKS)
        ),
    ]
    for path in sorted(_OPS.glob("test_*.py")):
        module = importlib.import_module(f"tests.ops.{path.stem}")
        for function in vars(module).values():
            for mark in getattr(function, "pytestmark", ()):
                if mark.name == "parametrize":
                    own.extend(_models(mark.args[1]))
    return tuple(sorted(set(own), key=lambda model: (len(model), model)))


@cache
def real() -> tuple[bytes, ...]:
    """The models of tests/test_models.py, if they are available."""
    return tuple(path.read_bytes() for path in sorted(FOLDER.glob("*.tflite")))


def _models(values: Any) -> Iterator[bytes]:
    """The .tflite files among the values of a test, however deep."""
    if isinstance(values, bytes):
        if values[4:8] == b"TFL3":
            yield values
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _models(value)
    elif hasattr(values, "values") and isinstance(values.values, tuple):  # pytest.param
        yield from _models(values.values)
