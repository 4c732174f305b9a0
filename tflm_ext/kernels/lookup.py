"""Functions of one int8 value: as a table of 256 results, lookup.h, or as limits, limit.h."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import (
    LIMIT,
    Const,
    Input,
    Kernel,
    KernelCall,
    Output,
    once_per_node,
    one_by_one,
    work_by_elements,
)
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.lookup import INPUTS


@once_per_node
def results_of(view: NodeView) -> Array:
    """The operator's int8 result for every int8 value, -128 first, from its reference."""
    (results,) = BY_NAME[view.node.operator].reference(view, [INPUTS.astype(np.int8)])
    return results


def only_limits(view: NodeView) -> bool:
    """Whether the function only limits its input."""
    results = results_of(view)
    return bool(np.array_equal(results, np.clip(INPUTS, results[0], results[-1])))


def _lower_lookup(view: NodeView) -> KernelCall:
    return KernelCall(
        fields=(("elements", view.output().elements),),
        arguments=(
            Input(),
            Const.of("results", DType.INT8, results_of(view), "[256], for inputs -128 to 127"),
            Output(),
        ),
        times=(one_by_one(view.output()),),
    )


def _lower_limit(view: NodeView) -> KernelCall:
    results = results_of(view)
    return KernelCall(
        fields=(
            ("elements", view.output().elements),
            ("output_min", int(results[0])),
            ("output_max", int(results[-1])),
        ),
        arguments=(Input(), Output()),
        times=(one_by_one(view.output()),),
    )


def _is_table(view: NodeView) -> bool:
    return not only_limits(view)


# Almost as fast, without the 256 bytes of the table.
LIMIT_KERNEL = Kernel(LIMIT, "limit.h", _lower_limit, work_by_elements, only_limits)
LOOKUP = Kernel("lookup", "lookup.h", _lower_lookup, work_by_elements, _is_table)
