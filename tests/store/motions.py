"""Segments of a drawn accelerometer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.signals import Motion
from tflm_ext.store import Segment, Sensor, Store

RATE: Any = 50
SOURCE = Motion(RATE)
SENSOR = Sensor.of(SOURCE, "LSM9DS1")


def drawn(seed: int, samples: int, channels: int = 3) -> Any:
    """Random samples of all values of int16."""
    random = np.random.default_rng(seed)
    return random.integers(-(2**15), 2**15, (samples, channels)).astype(np.int16)


def record(
    store: Store, label: str, samples: Any, session: str | None = None, **options: Any
) -> Segment:
    """Write samples as one segment, and return it."""
    with store.writer(label, options.pop("sensor", SENSOR), session=session, **options) as writer:
        writer.write(samples)
    return Segment.open(writer.paths[-1])


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, with their bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def failing(call: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Return a function that raises an error of a full disk from the given call on."""
    made = 0

    def fail(*arguments: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made >= number:
            raise OSError(28, "No space left on device")
        return call(*arguments, **options)

    return fail
