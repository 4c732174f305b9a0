"""The inputs of the comparison."""

from __future__ import annotations

import numpy as np
import pytest

from tests.facts import int8_port, int32_port
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType, Limits
from tflm_ext.ir.facts import Port
from tflm_ext.verify.golden import read_golden
from tflm_ext.verify.vectors import make_vectors, quantize

PORTS = (int8_port("a", (1, 3, 5), 0.1, -7), int8_port("b", (1, 4), 0.2, 127))


@pytest.mark.parametrize("given", [0, 1, 16, 100])
def test_samples_extremes_random_and_spikes(given: int) -> None:
    generator = np.random.default_rng(1)
    samples = [generator.integers(-128, 128, (given, *b.shape), np.int8) for b in PORTS]
    vectors = make_vectors(PORTS, samples if given else (), seed=5)
    assert {len(column) for column in vectors} == {max(64, given + 3 + 32 + 16)}
    for column, sample, port in zip(vectors, samples, PORTS, strict=True):
        assert column.dtype == np.int8
        assert column.shape[1:] == port.shape
        np.testing.assert_array_equal(column[:given], sample)
        for row, level in zip(
            column[given:], (-128, 127, port.quantization.zero_point), strict=False
        ):
            assert (row == level).all()
        random, spikes = column[given + 3 : -16], column[-16:]
        assert len(random) >= 32
        assert len(np.unique(random)) > 90
        for i, spike in enumerate(spikes.reshape(16, -1)):
            others = spike[spike != port.quantization.zero_point]
            extreme = -128 if i % 2 == 0 else 127
            # A spike of the zero point's value is a constant input.
            assert others.tolist() in ([extreme], [])
            assert others.tolist() or extreme == port.quantization.zero_point


def test_a_seed_gives_the_same_inputs_and_another_gives_others() -> None:
    first, again, other = (make_vectors(PORTS, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_integers_within_their_own_limits() -> None:
    limits = (Limits(DType.INT32, 0, 2), Limits(DType.INT32, 0, 99), Limits.of(DType.INT32))
    port = Port("categories", (1, 3), limits)
    (column,) = make_vectors([port], seed=5)
    assert (column.shape[1:], column.dtype) == ((1, 3), np.int32)
    rows = column.reshape(-1, 3)
    assert rows[0].tolist() == [0, 0, -(2**31)]
    assert rows[1].tolist() == [2, 99, 2**31 - 1]
    assert (rows[:, 0].min(), rows[:, 0].max(), rows[:, 1].max()) == (0, 2, 99)
    assert (rows >= port.lowest).all()
    assert (rows <= port.highest).all()
    (taken,) = quantize([port], [np.array([[2.0, 99.0, -7.0]])])
    assert taken.tolist() == [[[2, 99, -7]]]


def test_golden_vectors_are_read_from_c() -> None:
    """INT32_MIN is an expression in C, because 2147483648 does not fit."""
    ports = [int8_port("x", (1, 2), 0.1, 0)], [int32_port("y", (1, 2))]
    text = (
        "static const int8_t net_input0[2] = {-128, 127};\n"
        "static const int32_t net_output0[2] = {(-2147483647 - 1), 2147483647};\n"
    )
    (vector,) = read_golden(text, *ports)
    assert vector.inputs == (bytes([128, 127]),)
    assert vector.outputs == (np.int32([-(2**31), 2**31 - 1]).tobytes(),)
    for wrong in (
        text.replace("127}", "128}"),
        text.replace("int8_t", "uint8_t"),
        text.replace("2147483647}", "2147483648}"),
        text.replace("input0", "input1"),
        text.replace("input0", "weights"),
        text.replace("-128, ", ""),
        text.splitlines()[0],
    ):
        assert read_golden(wrong, *ports) == ()


@pytest.mark.parametrize(
    ("row", "value", "high"),
    [([2, 100, 0], "100", 99), ([-1, 5, 0], "-1", 2), ([0.5, 5, 0], "0.5", 2)],
)
def test_other_integers_are_refused(row: list[float], value: str, high: int) -> None:
    port = Port("x", (1, 3), tuple(Limits(DType.INT32, 0, end) for end in (2, 99, 7)))
    with pytest.raises(ConfigError) as caught:
        quantize([port], [np.array([[0, 0, 0], row])])
    assert caught.value.problem == (
        f"The data for input 'x' has the value {value} in sample 1, where the model takes integers "
        f"from 0 to {high}."
    )
