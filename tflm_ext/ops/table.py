"""TABLE: any function of one int8 value; made by passes, never read from a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import MalformedError, Table
from tflm_ext.ir import DType, NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_counts, check_shape


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Options of TABLE.

    Attributes:
        values: 256 int8 results, the first for the input -128, the last for 127.
    """

    values: bytes


def parse(table: Table | None) -> TableOptions:
    raise MalformedError("operator number -1")


def check(view: NodeView) -> None:
    options: TableOptions = view.options
    check_counts(view, (1,))
    if (
        len(options.values) != 256
        or view.input().dtype is not DType.INT8
        or view.output().dtype is not DType.INT8
    ):
        raise TypeError("TABLE maps int8 to int8 with 256 results")
    check_shape(view, view.output(), view.input().shape)


def results(view: NodeView) -> Array:
    return np.frombuffer(view.options.values, np.int8)


OPERATOR = lookup.operator("TABLE", -1, 1, results, check=check, parse=parse)
