"""Bytes of code of every kernel: a committed table, measured with the compiler that it names."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from importlib.resources import files


@functools.cache
def _table() -> dict[str, int]:
    text = files("tflm_ext.plan").joinpath("kernel_sizes.toml").read_text("utf-8")
    return dict(tomllib.loads(text)["bytes"])


def code_bytes(kernels: Sequence[str], steps: int) -> int:
    """Estimated bytes of code: the kernels, the entry points, and each operator's call.

    Args:
        kernels: distinct kernel names.
        steps: operators of the model.
    """
    table = _table()
    return sum(table[name] for name in kernels) + steps * table["call"] + table["entry"]
