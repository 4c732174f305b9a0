"""Bytes of code of every kernel: a committed table, measured with the compiler that it names."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files("tflm_ext.plan").joinpath("kernel_sizes.toml").read_text("utf-8"))


def compiler() -> str:
    """The compiler that the table was measured with."""
    return str(_file()["compiler"])


def code_bytes(kernels: Sequence[str], steps: int) -> int:
    """Estimated bytes of code: the kernels, the entry points, and each operator's call.

    Args:
        kernels: distinct kernel names.
        steps: operators of the model.
    """
    table = _file()["bytes"]
    return int(sum(table[k] for k in kernels) + steps * table["call"] + table["entry"])
