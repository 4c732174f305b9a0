"""Limits of operators: the last allowed value is exact, the next one is refused.

If TensorFlow Lite Micro has the same limit, it refuses the next value, too. The other limits come
from 32-bit sums, to numbers stored in 16 bits, and to shapes with 6 dimensions, which it does not
check; values beyond these limits are undefined there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.harness import assert_exact, run_here
from tests.ops.elementwise import binary, unary
from tests.ops.paddings import padding
from tests.ops.pooling import pooling
from tests.ops.reductions import reduction
from tests.ops.test_batch_matmul import batch_matmul
from tests.ops.test_concatenation import concatenation
from tests.ops.test_conv_2d import conv_2d
from tests.ops.test_depthwise_conv_2d import depthwise_conv_2d
from tests.ops.test_pack import pack
from tests.ops.test_slice import slice_model
from tests.ops.test_split import split
from tests.ops.test_strided_slice import strided_slice
from tests.ops.test_transpose import transpose
from tests.ops.test_transpose_conv import transpose_conv
from tests.ops.test_unpack import unpack
from tflm_ext.errors import ToolError, UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.frontend.parse import parse
from tflm_ext.reference import run_outputs
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_tflm

Build = Callable[[int], bytes]

# name: the model for a number, the last allowed number, a part of the error for the next number,
# and whether TFLM refuses it, too.
LIMITS: dict[str, tuple[Build, int, str, bool]] = {
    "dimensions of ADD": (
        lambda n: binary("ADD", ((2,) * n, (2, 1) * (n // 2) + (2,) * (n % 2))),
        6,
        "it has 7 dimensions",
        False,
    ),
    "dimensions of RELU": (
        lambda n: unary("RELU", shape=(1,) * (n - 2) + (2, 3)),
        6,
        "it has 7 dimensions",
        False,
    ),
    "dimensions of TRANSPOSE": (
        lambda n: transpose((2,) * n, tuple(reversed(range(n)))),
        5,
        "TensorFlow Lite Micro allows 1 to 5",
        True,
    ),
    "dimensions of SLICE": (
        lambda n: slice_model((2,) * n, (0,) * n, (1,) * n),
        5,
        "TensorFlow Lite Micro allows 1 to 5",
        True,
    ),
    "dimensions of STRIDED_SLICE": (
        lambda n: strided_slice((2,) * n, (0,) * n, (1,) * n, (1,) * n),
        4,
        "TensorFlow Lite Micro allows 1 to 4",
        True,
    ),
    "dimensions of PAD": (
        lambda n: padding("PAD", (2,) * n, ((1, 0),) * n),
        5,
        "TensorFlow Lite Micro allows 1 to 5",
        True,
    ),
    "dimensions of BATCH_MATMUL": (
        lambda n: batch_matmul((2,) * n, (2,) * n),
        5,
        "its operands have the shapes",
        True,
    ),
    "axes that MEAN can tell apart": (
        lambda n: reduction("MEAN", (2,) * n, tuple(range(0, n, 2))),
        6,
        "form too many separate groups",
        False,
    ),
    "tensors of CONCATENATION": (
        lambda n: concatenation((2, 3, 4), (1,) * n),
        10,
        "it joins 11 tensors",
        True,
    ),
    "depth of BATCH_MATMUL": (
        lambda n: batch_matmul((1, n), (n, 1), output_scale=90.0),
        33025,
        "its sums can reach 2,147,515,650",
        False,
    ),
    "window of MAX_POOL_2D": (
        lambda n: pooling("MAX_POOL_2D", 1, n, 1, (1, n), same=False),
        32767,
        "not all from 1 to 32,767",
        False,
    ),
    "window of AVERAGE_POOL_2D": (
        lambda n: pooling("AVERAGE_POOL_2D", 1, n, 1, (1, n), same=False),
        32767,
        "not all from 1 to 32,767",
        False,
    ),
    "dilation of CONV_2D": (
        lambda n: conv_2d(1, n + 2, 1, 1, (1, 2), dilation=(1, n), same=False),
        32767,
        "not all from 1 to 32,767",
        False,
    ),
    "window of DEPTHWISE_CONV_2D": (
        lambda n: depthwise_conv_2d(1, 5, 1, 1, (1, n)),
        32767,
        "not all from 1 to 32,767",
        False,
    ),
    "stride of TRANSPOSE_CONV": (
        lambda n: transpose_conv(1, n + 1, 1, 1, (1, 2), (1, n)),
        32767,
        "not all from 1 to 32,767",
        False,
    ),
}

# Numbers without a limit in TFLM, with unusually large values.
UNLIMITED: dict[str, bytes] = {
    "tensors of PACK": pack((2, 3), 200),
    "tensors of UNPACK": unpack((2, 200, 3), 1),
    "tensors of SPLIT": split((2, 200, 3), 200, 1),
    "values of MEAN": reduction("MEAN", (1, 1 << 21, 1, 1), (1, 2)),
    "values of SUM": reduction("SUM", (1, 1 << 21, 1, 1), (1, 2), scales=(0.05, 500.0)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_last_value_is_exact_and_the_next_one_is_refused(name: str) -> None:
    build, last, problem, refused_there = LIMITS[name]
    assert_exact(build(last), c=False)
    beyond = build(last + 1)
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(beyond)
    assert problem in caught.value.problem
    if refused_there:
        with pytest.raises((UnsupportedModelError, ToolError), match="TensorFlow Lite Micro"):
            _alone(beyond)


@pytest.mark.parametrize("name", UNLIMITED)
def test_what_has_no_limit_is_exact_far_out(name: str) -> None:
    model = UNLIMITED[name]
    graph = read_graph(model)
    inputs = [
        np.random.default_rng(1).integers(-128, 128, (2, *graph.tensors[i].shape), np.int8)
        for i in graph.inputs
    ]
    expected = run_here(model, inputs, len(graph.outputs), arena_for(graph))
    for v in range(2):
        for ours, theirs in zip(
            run_outputs(graph, [column[v] for column in inputs]), expected, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs[v])


@pytest.mark.parametrize(
    "name", ["dimensions of ADD", "axes that MEAN can tell apart", "depth of BATCH_MATMUL"]
)
def test_the_c_is_exact_at_the_last_value(name: str) -> None:
    build, last, _, _ = LIMITS[name]
    assert_exact(build(last))


def _alone(model: bytes) -> None:
    """Run TFLM in a separate process, because it may crash on models that it should refuse."""
    raw = parse(model, "net")
    inputs = [np.zeros((1, *raw.tensors[i].shape), np.int8) for i in raw.inputs]
    run_tflm(model, inputs, len(raw.outputs), arena_bytes=1 << 22)
