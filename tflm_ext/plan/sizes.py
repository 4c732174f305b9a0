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


def kernel_bytes(kernel: str) -> int:
    """Bytes of code of a kernel alone."""
    table = _file()
    return int(table["bytes"][kernel] + sum(table["shared"][part] for part in _shared(kernel)))


def code_bytes(kernels: Sequence[str], steps: int) -> int:
    """Estimated bytes of code: the kernels, the entry points, and each operator's call.

    Args:
        kernels: distinct kernel names.
        steps: operators of the model.
    """
    table = _file()
    shared = {part: table["shared"][part] for kernel in kernels for part in _shared(kernel)}
    own = sum(table["bytes"][kernel] for kernel in kernels)
    return int(own + sum(shared.values()) + steps * table["call"] + table["entry"])


def _shared(kernel: str) -> tuple[str, ...]:
    """Functions that a kernel has in common with others."""
    return tuple(_file()["uses"].get(kernel, ()))
