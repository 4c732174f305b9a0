"""int32 inputs and outputs against TensorFlow Lite Micro: positions of GATHER and their movers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.ir import DType, Limits

SCALE = 0.1


def options(kind: str, **values: Any) -> Any:
    made = getattr(schema, f"{kind}OptionsT")()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def integers(*values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, np.int32)


class Lookup:
    """A model whose int32 inputs end as positions in tables of random int8 rows."""

    def __init__(self, seed: int = 0) -> None:
        self.b = ModelBuilder()
        self.random = np.random.default_rng(seed)
        self.inputs: list[int] = []
        self.outputs: list[int] = []

    def integers(self, *shape: int, name: str = "tokens") -> int:
        self.inputs.append(self.b.tensor(shape, dtype="int32", name=name))
        return self.inputs[-1]

    def moved(
        self, operator: str, sources: Sequence[int], shapes: Sequence[Sequence[int]], chosen: Any
    ) -> list[int]:
        made = [self.b.tensor(shape, dtype="int32") for shape in shapes]
        self.b.operator(operator, sources, made, chosen)
        return made

    def table(self, *shape: int) -> int:
        return self.b.constant(self.random.integers(-128, 128, shape).astype(np.int8), scale=SCALE)

    def rows(self, positions: int, shape: Sequence[int], count: int = 7, width: int = 3) -> int:
        """Rows of its own table at positions of some shape."""
        return self.gather(self.table(count, width), positions, (*shape, width))

    def gather(
        self, source: int, positions: int, out: Sequence[int], axis: int = 0, batch_dims: int = 0
    ) -> int:
        self.outputs.append(self.b.tensor(out, scale=SCALE))
        chosen = options("Gather", axis=axis, batchDims=batch_dims)
        self.b.operator("GATHER", [source, positions], [self.outputs[-1]], chosen)
        return self.outputs[-1]

    def finish(self) -> bytes:
        return self.b.finish(self.inputs, self.outputs)


def embedding() -> bytes:
    m = Lookup()
    m.rows(m.integers(1, 5), (1, 5))
    return m.finish()


def read_twice() -> bytes:
    """One input, two tables: only positions that are in both are allowed."""
    m = Lookup()
    x = m.integers(1, 4)
    m.rows(x, (1, 4), count=9)
    m.rows(x, (1, 4), count=5, width=1)
    return m.finish()


def moved() -> bytes:
    """Every operator that may come between an input and GATHER."""
    m = Lookup()
    x, y = m.integers(2, 6, name="x"), m.integers(2, 6, name="y")
    c = m.b.constant
    (both,) = m.moved("CONCATENATION", [x, y], [(2, 12)], options("Concatenation", axis=1))
    halves = m.moved(
        "SPLIT", [c(integers(1)), both], [(2, 6), (2, 6)], options("Split", numSplits=2)
    )
    parts = m.moved(
        "SPLIT_V",
        [halves[1], c(integers(2, 4)), c(integers(1))],
        [(2, 2), (2, 4)],
        options("SplitV", numSplits=2),
    )
    (box,) = m.moved(
        "SLICE", [parts[1], c(integers(0, 1)), c(integers(2, 3))], [(2, 3)], options("Slice")
    )
    (strided,) = m.moved(
        "STRIDED_SLICE",
        [halves[0], c(integers(0, 4)), c(integers(2, -7)), c(integers(1, -2))],
        [(2, 3)],
        options("StridedSlice", beginMask=0, endMask=0),
    )
    (packed,) = m.moved("PACK", [box, strided], [(2, 2, 3)], options("Pack", valuesCount=2, axis=1))
    rows = m.moved("UNPACK", [packed], [(2, 3), (2, 3)], options("Unpack", num=2, axis=0))
    (flat,) = m.moved("RESHAPE", [rows[0], c(integers(6))], [(6,)], options("Reshape"))
    (wide,) = m.moved("RESHAPE", [rows[1], c(integers(1, 6))], [(1, 6)], options("Reshape"))
    (squeezed,) = m.moved("SQUEEZE", [wide], [(6,)], options("Squeeze", squeezeDims=[0]))
    m.rows(flat, (6,))
    m.rows(squeezed, (6,), count=5)
    m.rows(parts[0], (2, 2), count=6)
    return m.finish()


def returned() -> bytes:
    """int32 outputs: an input reversed, the other in another shape, and one that nothing reads."""
    m = Lookup()
    x, y = m.integers(6, name="x"), m.integers(2, 3, name="y")
    m.integers(5, name="unused")
    c = m.b.constant
    m.outputs += m.moved(
        "STRIDED_SLICE",
        [x, c(integers(5)), c(integers(-7)), c(integers(-1))],
        [(6,)],
        options("StridedSlice"),
    )
    m.outputs += m.moved("RESHAPE", [y, c(integers(6))], [(6,)], options("Reshape"))
    return m.finish()


def computed() -> bytes:
    """An int8 input gathered at positions of an int32 one, per batch, and int8 work after it."""
    m = Lookup()
    values, at = m.b.tensor((2, 5, 4), scale=SCALE, name="values"), m.integers(2, 3)
    m.inputs.insert(0, values)
    m.gather(values, at, (2, 3, 4), axis=1, batch_dims=1)
    (source,) = m.outputs
    m.outputs = [m.b.tensor((2, 3, 4), scale=SCALE)]
    m.b.operator("RELU", [source], m.outputs)
    return m.finish()


def odd_sizes() -> bytes:
    """int8 inputs of odd sizes around an int32 one: the arena still aligns it."""
    m = Lookup()
    a, b = (m.b.tensor((1, n), scale=SCALE, name=f"odd{n}") for n in (3, 5))
    x = m.integers(3)
    m.inputs = [a, x, b]
    for source, shape in ((a, (1, 3)), (b, (1, 5))):
        m.outputs.append(m.b.tensor(shape, scale=SCALE))
        m.b.operator("RELU", [source], [m.outputs[-1]])
    m.rows(x, (3,), width=1)
    return m.finish()


def columns() -> bytes:
    """Each row has a position in a small table, one in a large one, and one that nothing reads."""
    m = Lookup()
    x, c = m.integers(2, 3), m.b.constant
    for column, count in enumerate((3, 200)):
        box = [x, c(integers(0, column)), c(integers(2, 1))]
        (own,) = m.moved("SLICE", box, [(2, 1)], options("Slice"))
        m.rows(own, (2, 1), count=count, width=2)
    return m.finish()


MODELS = [columns, embedding, read_twice, moved, returned, computed, odd_sizes]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_c_equals_tflm(model: Any) -> None:
    assert_exact(model())


@given(data=st.data(), seed=st.integers(0, 99))
def test_any_gather_equals_tflm(data: st.DataObject, seed: int) -> None:
    """A table or an int8 input, any axis, shared axes, and positions that were moved before."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    front = axis % len(shape)
    shared = data.draw(st.integers(0, front))
    positions = (*shape[:shared], *data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    m = Lookup(seed)
    if data.draw(st.booleans()):
        source = m.table(*shape)
    else:
        source = m.b.tensor(shape, scale=SCALE, name="values")
        m.inputs.append(source)
    at = m.integers(*positions)
    if data.draw(st.booleans()):  # twice as many, of which every second one counts
        m.inputs.remove(at)
        double = m.integers(*positions[:-1], 2 * positions[-1], name="double")
        c, rank = m.b.constant, len(positions)
        ends = integers(*positions[:-1], 2 * positions[-1])
        strides = integers(*[1] * (rank - 1), 2)
        if rank <= 4:
            (at,) = m.moved(
                "STRIDED_SLICE",
                [double, c(integers(*[0] * rank)), c(ends), c(strides)],
                [positions],
                options("StridedSlice"),
            )
        else:
            m.inputs.remove(double)
            at = m.integers(*positions)
    out = (*shape[:front], *positions[shared:], *shape[front + 1 :])
    m.gather(source, at, out, axis, shared)
    assert_exact(m.finish(), c=False, seed=seed)


def test_limits_are_those_of_all_readers() -> None:
    def limits(model: bytes) -> list[tuple[Limits, ...]]:
        return [port.limits for port in input_ports(read_graph(model))]

    def below(count: int) -> Limits:
        return Limits(DType.INT32, 0, count - 1)

    everything = Limits.of(DType.INT32)
    assert limits(embedding()) == [(below(7),)]
    assert limits(read_twice()) == [(below(5),)]
    assert limits(returned()) == [(everything,)] * 3
    assert limits(computed()) == [(Limits.of(DType.INT8),), (below(5),)]
    assert limits(columns()) == [(below(3), below(200), everything) * 2]


def _mover(operator: str, shape: Sequence[int], out: Sequence[int], *more: Any) -> bytes:
    m = Lookup()
    chosen, *constants = more
    x = m.integers(*shape)
    (moved,) = m.moved(operator, [x, *map(m.b.constant, constants)], [out], chosen)
    m.rows(moved, out)
    return m.finish()


def _constant_position(position: int) -> bytes:
    """An input joined with a constant."""
    m = Lookup()
    x = m.integers(3)
    (joined,) = m.moved(
        "CONCATENATION",
        [x, m.b.constant(integers(position))],
        [(4,)],
        options("Concatenation", axis=0),
    )
    m.rows(joined, (4,))
    return m.finish()


def test_a_constant_among_the_positions_is_exact() -> None:
    assert_exact(_constant_position(6))


def _quantized() -> bytes:
    b = ModelBuilder()
    x = b.tensor((3,), dtype="int32", scale=0.5)
    y = b.tensor((3, 1), dtype="int32", scale=0.5)
    b.operator("RESHAPE", [x, b.constant(integers(3, 1))], [y], options("Reshape"))
    return b.finish([x], [y])


def _wide(dtype: str) -> bytes:
    b = ModelBuilder()
    x, y = b.tensor((3,), dtype=dtype), b.tensor((3, 2), scale=SCALE)
    table = b.constant(np.zeros((4, 2), np.int8), scale=SCALE)
    b.operator("GATHER", [table, x], [y], options("Gather"))
    return b.finish([x], [y])


def _many() -> bytes:
    m = Lookup()
    m.rows(m.integers(1 << 20, name="a"), (1 << 20,), width=1)
    m.integers(1, name="b")
    return m.finish()


@pytest.mark.parametrize(
    ("model", "problem", "hint"),
    [
        (
            _many(),
            "its integer tensors have 1,048,577 elements together, but at most 1,048,576 are",
            "Make the model smaller",
        ),
        (
            _mover("TRANSPOSE", (2, 3), (3, 2), options("Transpose"), integers(1, 0)),
            "operator 0 TRANSPOSE (Keras layer layer2), tensor 'tokens': it is int32, not int8",
            "An integer input can be reshaped",
        ),
        (
            _mover("EXPAND_DIMS", (3,), (1, 3), options("ExpandDims"), integers(0)),
            "operator 0 EXPAND_DIMS (Keras layer layer2): its element type is int32",
            "TensorFlow Lite Micro supports int8, int16 and float32 here.",
        ),
        (
            _mover("ADD", (3,), (3,), options("Add"), integers(1, 2, 3)),
            "it is int32, not int8",
            "An integer input can be reshaped",
        ),
        (
            _constant_position(7),
            "1 GATHER (Keras layer layer4): constants among its positions are outside 0 to 6",
            "Give positions",
        ),
        (_constant_position(-1), "constants among its positions are outside", "Give positions"),
        (_quantized(), "is int32 and a constant or a variable, or has a scale", "Integer inputs"),
        (_wide("int64"), "is int64, not int8 or int32", "Declare integer inputs as int32"),
        (_wide("int16"), "is int16, not int8 or int32", "Declare integer inputs as int32"),
    ],
)
def test_refuses(model: bytes, problem: str, hint: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model)
    assert problem in caught.value.problem
    assert caught.value.hint.startswith(hint)
