"""MAXIMUM of the quantised values, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    first, second = inputs
    assert first is not None
    assert second is not None
    return (np.maximum(first, second).reshape(view.output().shape),)


OPERATOR = Operator(
    name="MAXIMUM",
    code=55,
    max_version=4,
    check=elementwise.check_binary,
    reference=reference,
)
