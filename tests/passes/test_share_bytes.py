"""Operators that move no data disappear, and what they would have written stays right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.passes import PassRecord, run_passes

SHAPE = (1, 4, 1, 6)


def model(
    name: str,
    constants: tuple[Any, ...],
    shape: tuple[int, ...],
    options: Any = None,
    *,
    scale: float = 0.1,
    data_input: int = 0,
) -> bytes:
    """RELU, the operator, RELU; constants are its other inputs."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.1, zero_point=3)
    first = b.tensor(SHAPE, scale=0.1, zero_point=3)
    second = b.tensor(shape, scale=scale, zero_point=3)
    y = b.tensor(shape, scale=0.2)
    b.operator("RELU", [x], [first])
    inputs = [b.constant(c) for c in constants]
    inputs.insert(data_input, first)
    b.operator(name, inputs, [second], options)
    b.operator("RELU", [second], [y])
    return b.finish([x], [y])


def i32(*values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, np.int32)


def slices(*masks: int) -> Any:
    options = schema.StridedSliceOptionsT()
    options.beginMask, options.endMask, options.shrinkAxisMask = masks
    return options


def squeeze(*axes: int) -> Any:
    options = schema.SqueezeOptionsT()
    options.squeezeDims = list(axes)
    return options


def split() -> Any:
    options = schema.SplitOptionsT()
    options.numSplits = 1
    return options


def concatenation(axis: int) -> Any:
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    return options


def unpack() -> Any:
    options = schema.UnpackOptionsT()
    options.num, options.axis = 1, 2
    return options


def pack() -> Any:
    options = schema.PackOptionsT()
    options.valuesCount, options.axis = 1, 0
    return options


REMOVED = {
    "RESHAPE": model("RESHAPE", (i32(2, 12),), (2, 12), schema.ReshapeOptionsT()),
    "EXPAND_DIMS": model("EXPAND_DIMS", (i32(0),), (1, *SHAPE)),
    "SQUEEZE": model("SQUEEZE", (), (1, 4, 6), squeeze(2)),
    "QUANTIZE": model("QUANTIZE", (), SHAPE),
    "TRANSPOSE": model("TRANSPOSE", (i32(1, 2, 3, 0),), (4, 1, 6, 1)),
    "PAD": model("PAD", (np.zeros((4, 2), np.int32),), SHAPE),
    "STRIDED_SLICE": model(
        "STRIDED_SLICE", (i32(0, 0, 0, 0), i32(1, 4, 1, 6), i32(1, 1, 1, 1)), SHAPE, slices(0, 0, 0)
    ),
    "STRIDED_SLICE of an axis": model(
        "STRIDED_SLICE",
        (i32(0, 0, 0, 0), i32(1, 4, 1, 6), i32(1, 1, 1, 1)),
        (1, 4, 6),
        slices(15, 15, 4),
    ),
    "SLICE": model("SLICE", (i32(0, 0, 0, 0), i32(1, 4, 1, 6)), SHAPE),
    "CONCATENATION": model("CONCATENATION", (), SHAPE, concatenation(3)),
    "SPLIT": model("SPLIT", (i32(1),), SHAPE, split(), data_input=1),
    "UNPACK": model("UNPACK", (), (1, 4, 6), unpack()),
    "PACK": model("PACK", (), (1, *SHAPE), pack()),
}

KEPT = {
    "QUANTIZE": model("QUANTIZE", (), SHAPE, scale=0.11),
    "TRANSPOSE": model("TRANSPOSE", (i32(0, 3, 2, 1),), (1, 6, 1, 4)),
    "PAD": model("PAD", (i32((0, 0), (0, 0), (0, 0), (1, 0)),), (1, 4, 1, 7)),
    "STRIDED_SLICE": model(
        "STRIDED_SLICE",
        (i32(0, 0, 0, -1), i32(1, 4, 1, -7), i32(1, 1, 1, -1)),
        SHAPE,
        slices(0, 0, 0),
    ),
}


@pytest.mark.parametrize("name", REMOVED)
def test_removed(name: str) -> None:
    result = run_passes(read_graph(REMOVED[name]))
    assert [n.operator for n in result.graph.nodes] == ["RELU", "RELU"]
    assert result.graph.tensors[2].alias == 1
    assert result.records == (PassRecord("share bytes", (2,), (1,)),)
    assert_exact(REMOVED[name], c=False)


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    result = run_passes(read_graph(KEPT[name]))
    assert [n.operator for n in result.graph.nodes] == ["RELU", name, "RELU"]
    assert result.records == ()
    assert_exact(KEPT[name], c=False)


def chain(*shapes: tuple[int, ...], relu: bool) -> bytes:
    """RELU, if wanted, and one RESHAPE after the other."""
    b = ModelBuilder()
    x = tensor = b.tensor((2, 12), scale=0.1, zero_point=3)
    if relu:
        tensor = b.tensor((2, 12), scale=0.1, zero_point=3)
        b.operator("RELU", [x], [tensor])
    for shape in shapes:
        target = b.tensor(shape, scale=0.1, zero_point=3)
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        b.operator("RESHAPE", [tensor, b.constant(i32(*shape))], [target], options)
        tensor = target
    return b.finish([x], [tensor])


def test_chains_become_aliases_of_the_first_tensor() -> None:
    plan = assert_exact(chain((24,), (4, 6), (1, 24), relu=True))
    assert [n.operator for n in plan.graph.nodes] == ["RELU"]
    assert [plan.graph.tensors[i].alias for i in plan.graph.outputs] == [1]
    # The tensors between are gone, and input and output share one place.
    assert set(plan.graph.tensors) == {0, 1, plan.graph.outputs[0]}
    assert plan.arena_bytes == 24


def test_a_model_may_have_no_operator_left() -> None:
    plan = assert_exact(chain((4, 6), relu=False))
    assert plan.graph.nodes == ()
    assert plan.arena_bytes == 24
