"""Every structure of inputs and outputs: names, order and numbers through the whole conversion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.convert.ordered_nets import NAMES, STRUCTURES, Net, filled, net
from tflm_ext.arithmetic import dequantize_array, quantize_array
from tflm_ext.convert import Conversion, convert
from tflm_ext.convert.convert import one_child
from tflm_ext.frontend import read_graph
from tflm_ext.verify.tflm import run_outputs

pytestmark = pytest.mark.slow
KINDS = list(STRUCTURES)


@pytest.fixture(scope="module", autouse=True)
def _one_child() -> Iterator[None]:
    with one_child():
        yield


def silent(text: str) -> None:
    pass


def named(kind: str, prefix: str = "") -> Any:
    return STRUCTURES[kind](*(prefix + name for name in NAMES))


def converted(model: Any, subject: Net, data: Any = None) -> Conversion:
    data = subject.data if data is None else data
    return convert(model, data, progress=silent, test_inputs=data)


def check(conversion: Conversion, subject: Net, order: list[str] | None = None) -> None:
    """Names, and the numbers that belong to them: of the float model and of TFLM."""
    int8 = conversion.int8
    assert sorted(int8.input_names) == sorted(subject.data)
    assert sorted(int8.output_names) == sorted(subject.outputs)
    if order is not None:
        assert list(int8.output_names) == order
    for name, column in zip(int8.input_names, conversion.calibration, strict=True):
        np.testing.assert_array_equal(column, subject.data[name])
    graph = read_graph(int8.bytes)
    columns = [
        quantize_array(subject.data[name], q.scale, q.zero_point)[:, np.newaxis]
        for name, i in zip(int8.input_names, graph.inputs, strict=True)
        if (q := graph.tensors[i].quantization) is not None
    ]
    got = run_outputs(int8.bytes, columns, len(graph.outputs), 100_000)
    assert int8.float_outputs is not None
    for name, values, inexact, i in zip(
        int8.output_names, int8.float_outputs, got, graph.outputs, strict=True
    ):
        expected = subject.expected(name)
        np.testing.assert_allclose(values, expected, atol=1e-3)
        q = graph.tensors[i].quantization
        assert q is not None
        real = dequantize_array(inexact, q.scale, q.zero_point).reshape(expected.shape)
        error = np.abs(real - expected).mean()
        assert error < 0.05 * np.ptp(expected)
        for other in set(subject.outputs) - {name}:
            assert np.abs(real - subject.expected(other)).mean() > 4 * error


@pytest.mark.parametrize("kind", KINDS)
def test_live_models(kind: str, library: Any) -> None:
    # Every kind of outputs meets another kind of inputs.
    inputs = named(KINDS[(KINDS.index(kind) + 5) % len(KINDS)])
    subject = net(library, inputs, named(kind, "o_"), seed=KINDS.index(kind))
    forms = [subject.data, filled(inputs, subject.data)]
    conversion = converted(subject.model, subject, forms[KINDS.index(kind) % 2])
    assert list(conversion.int8.input_names) == [
        tensor.name.partition(":")[0] for tensor in subject.model.inputs
    ]
    check(conversion, subject)
    assert conversion.int8.warnings == ()
