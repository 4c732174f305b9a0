"""UNIDIRECTIONAL_SEQUENCE_LSTM: int8 input, output and hidden state, int16 cell state.

The plain LSTM: no peepholes, no projection, no layer normalisation. TFLM keeps the gates of all
units in four buffers. Here, each unit is computed in turn and written to the output, which becomes
the hidden state at the end of the time step: the same values, without the buffers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    sigmoid_int16,
    tanh_int16,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import (
    check_int8,
    check_quantized,
    check_requantization,
    check_shape,
    check_weights,
    scale,
    zero_point,
)

# Numbers of inputs. The order of the gates is input, forget, cell, output.
_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES = 1, 5, 12


GATES = range(4)


HIDDEN, CELL = 18, 19


_PRESENT = {0, *range(1, 9), *range(12, 16), HIDDEN, CELL}


GATE_SCALE = 2.0**-12  # of the sums of a gate


_NORMAL_SCALE = 2.0**-15  # of results of sigmoid and tanh
_TANH = 4  # number of the activation


@dataclass(frozen=True, slots=True)
class LstmOptions:
    """Options of UNIDIRECTIONAL_SEQUENCE_LSTM.

    Attributes:
        activation: number of the activation of the cell gate.
        cell_clip: largest magnitude of the cell state, as a real number; 0 is none.
        time_major: the first axis is time, not the batch.
    """

    activation: int
    cell_clip: float
    time_major: bool


def parse(table: Table | None) -> LstmOptions:
    if table is None:
        return LstmOptions(0, 0.0, False)
    return LstmOptions(table.int8(0), table.float32(1), table.bool(3))


def sizes_of(view: NodeView) -> tuple[int, int, int, int]:
    """Batches, time steps, inputs and units."""
    first, second, inputs = view.input(0).shape
    units = view.input(_INPUT_WEIGHTS).shape[0]
    if view.options.time_major:
        return second, first, inputs, units
    return first, second, inputs, units


def folded_bias(weights: Tensor, source: Tensor, bias: Tensor | None) -> Array:
    """Bias minus the contribution of the source's zero point to every sum."""
    sums: Array = weights.array().astype(np.int64).sum(1) * -zero_point(source)
    return sums if bias is None else sums + bias.array()


def halves_of(view: NodeView, gate: int) -> tuple[tuple[Tensor, Tensor, Tensor | None], ...]:
    """Both halves of a gate: weights, the tensor that they multiply, and bias."""
    return (
        (view.input(_INPUT_WEIGHTS + gate), view.input(0), view.input(_BIASES + gate)),
        (view.input(_RECURRENT_WEIGHTS + gate), view.input(HIDDEN), None),
    )


def products_of(view: NodeView) -> tuple[float, float, float]:
    """Ratios of scales: forget gate by cell, input gate by cell gate, output gate by tanh."""
    cell, hidden = scale(view.input(CELL)), scale(view.input(HIDDEN))
    return (
        _NORMAL_SCALE * cell / cell,
        _NORMAL_SCALE * _NORMAL_SCALE / cell,
        _NORMAL_SCALE * _NORMAL_SCALE / hidden,
    )


def cell_limit(view: NodeView) -> tuple[int, int]:
    """Smallest and largest cell state."""
    clip: float = view.options.cell_clip
    if not clip > 0:
        return -32768, 32767
    limit = int(min(clip / scale(view.input(CELL)), 32767.0))
    return -limit, limit


def tanh_factor(view: NodeView) -> tuple[int, int]:
    """Multiplier and right shift that convert a cell state to steps of 2**-12 / 3."""
    power = math.frexp(scale(view.input(CELL)))[1] - 1
    return (3 << (power + 12), 0) if power >= -12 else (3, -12 - power)


def check(view: NodeView) -> None:
    options: LstmOptions = view.options
    view.require(
        view.input_count == 24
        and view.output_count == 1
        and all(view.has_input(i) == (i in _PRESENT) for i in range(24)),
        "it is not a plain LSTM: it has peepholes, a projection, layer normalisation, or inputs "
        "missing",
        "Use tf_keras.layers.LSTM with its default structure.",
    )
    view.require(
        options.activation == _TANH,
        f"its activation is number {options.activation}, not tanh",
        "Use activation='tanh': TensorFlow Lite Micro supports no other activation in LSTMs.",
    )
    source, hidden, cell, out = view.input(0), view.input(HIDDEN), view.input(CELL), view.output()
    check_int8(view, source, hidden, out)
    view.require(
        len(source.shape) == 3 and len(view.input(_INPUT_WEIGHTS).shape) == 2,
        f"its input has the shape {list(source.shape)}",
        "An LSTM needs an input with 3 dimensions: batch, time and features.",
        source,
    )
    batches, _, inputs, units = sizes_of(view)
    for state in (hidden, cell):
        check_shape(view, state, (batches, units))
        view.require(
            state.variable,
            "its state is not a variable",
            "The file is damaged or was written by an unknown converter; convert the model again.",
            state,
        )
    check_shape(view, out, (*source.shape[:2], units))
    _check_cell(view, cell)
    for gate in GATES:
        for (weights, of, bias), depth in zip(halves_of(view, gate), (inputs, units), strict=True):
            check_shape(view, weights, (units, depth))
            check_weights(view, weights, bias, 0, units)
            check_int8(view, weights)
            sums = np.abs(weights.array().astype(np.int64)).sum(1) * 128
            worst = np.abs(folded_bias(weights, of, bias)) + sums
            ratio = scale(of) * scale(weights) / GATE_SCALE
            check_requantization(view, int(worst.max()), ratio)
    for ratio in products_of(view):
        check_requantization(view, 2**30, ratio)


def _check_cell(view: NodeView, cell: Tensor) -> None:
    quantized = check_quantized(view, cell, DType.INT16)
    mantissa, exponent = math.frexp(quantized.scales[0])
    view.require(
        quantized.zero_points == (0,) and mantissa == 0.5 and -27 <= exponent <= 3,
        "its cell state needs the zero point 0, and a power of two from 2**-28 to 4 as its scale",
        "Convert the model with full int8 quantisation.",
        cell,
    )


def macs(view: NodeView) -> int:
    batches, steps, inputs, units = sizes_of(view)
    return batches * steps * 4 * units * (inputs + units)


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source, hidden, cell = inputs[0], inputs[HIDDEN], inputs[CELL]
    assert source is not None
    assert hidden is not None
    assert cell is not None
    by_time = source if view.options.time_major else source.swapaxes(0, 1)
    state = cell.astype(np.int64)
    forget_product, input_product, hidden_product = map(quantize_multiplier, products_of(view))
    outputs = []
    for values in by_time:
        sums = [_gate(view, gate, values, hidden) for gate in GATES]
        input_gate, forget_gate, output_gate = (sigmoid_int16(sums[i]) for i in (0, 1, 3))
        kept = multiply_by_quantized_multiplier(forget_gate * state, *forget_product)
        added = multiply_by_quantized_multiplier(
            input_gate * tanh_int16(sums[2], 3, 0), *input_product
        )
        state = np.clip(_int16(_int16(kept) + _int16(added)), *cell_limit(view))
        product = output_gate * tanh_int16(state, *tanh_factor(view))
        scaled = multiply_by_quantized_multiplier(product, *hidden_product)
        hidden = np.clip(scaled + zero_point(view.input(HIDDEN)), -128, 127).astype(np.int8)
        outputs.append(hidden)
    output = np.stack(outputs, 0 if view.options.time_major else 1)
    return output, hidden, state.astype(np.int16)


def _int16(values: Array) -> Array:
    return np.clip(values, -32768, 32767)


def _gate(view: NodeView, gate: int, source: Array, hidden: Array) -> Array:
    """Sums of a gate for all batches and units."""
    total: Array = np.zeros((), np.int64)
    for (weights, of, bias), values in zip(halves_of(view, gate), (source, hidden), strict=True):
        centred = values.astype(np.int64) - zero_point(of)
        sums = centred @ weights.array().T.astype(np.int64)
        if bias is not None:
            sums = sums + bias.array()
        ratio = quantize_multiplier(scale(of) * scale(weights) / GATE_SCALE)
        total = total + _int16(multiply_by_quantized_multiplier(sums, *ratio))
    return _int16(total)


OPERATOR = Operator(
    name="UNIDIRECTIONAL_SEQUENCE_LSTM",
    code=44,
    max_version=4,
    options_type=71,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    keeps_state=True,
    refuses=(
        "peepholes, projection, layer normalisation; activations other than tanh; "
        "weights with one scale per channel"
    ),
)
