"""UNIDIRECTIONAL_SEQUENCE_LSTM: unidirectional_sequence_lstm.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.arithmetic import quantize_multiplier, tanh_entries
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output
from tflm_ext.ops.unidirectional_sequence_lstm import (
    CELL,
    GATE_SCALE,
    GATES,
    HIDDEN,
    cell_limit,
    folded_bias,
    halves_of,
    macs,
    products_of,
    sizes_of,
    tanh_factor,
)
from tflm_ext.opslib.common import scale, zero_point

_GATES = "gate 4: input, forget, cell, output"


class LstmWork(NamedTuple):
    """Work of one call: steps, units of all steps, products."""

    calls: int
    steps: int
    units: int
    products: int


def _lower(view: NodeView) -> KernelCall:
    batches, steps, inputs, units = sizes_of(view)
    gates = [halves_of(view, gate) for gate in GATES]
    ratios = [
        [quantize_multiplier(scale(of) * scale(w) / GATE_SCALE) for w, of, _ in halves]
        for halves in zip(*gates, strict=True)
    ]
    weights = [b"".join(w.data or b"" for w, _, _ in h) for h in zip(*gates, strict=True)]
    biases = [np.concatenate([folded_bias(*half) for half in h]) for h in zip(*gates, strict=True)]
    forget_product, input_product, hidden_product = map(quantize_multiplier, products_of(view))
    cell_min, cell_max = cell_limit(view)
    tanh_multiplier, tanh_shift = tanh_factor(view)
    bias_layout = f"[{_GATES}][unit {units}], the zero point folded in"
    time_major = view.options.time_major
    return KernelCall(
        fields=(
            ("batches", batches),
            ("steps", steps),
            ("inputs", inputs),
            ("units", units),
            ("batch_stride", 1 if time_major else steps),
            ("step_stride", batches if time_major else 1),
            ("input_multipliers", tuple(m for m, _ in ratios[0])),
            ("input_shifts", tuple(s for _, s in ratios[0])),
            ("recurrent_multipliers", tuple(m for m, _ in ratios[1])),
            ("recurrent_shifts", tuple(s for _, s in ratios[1])),
            ("kept_multiplier", forget_product[0]),
            ("kept_shift", forget_product[1]),
            ("added_multiplier", input_product[0]),
            ("added_shift", input_product[1]),
            ("hidden_multiplier", hidden_product[0]),
            ("hidden_shift", hidden_product[1]),
            ("hidden_zero_point", zero_point(view.input(HIDDEN))),
            ("tanh_multiplier", tanh_multiplier),
            ("tanh_shift", tanh_shift),
            ("cell_min", cell_min),
            ("cell_max", cell_max),
        ),
        arguments=(
            Input(0),
            Const(
                "input_weights",
                DType.INT8,
                weights[0],
                f"[{_GATES}][unit {units}][input {inputs}]",
            ),
            Const(
                "recurrent_weights",
                DType.INT8,
                weights[1],
                f"[{_GATES}][unit {units}][unit before {units}]",
            ),
            Const.of("input_bias", DType.INT32, biases[0], bias_layout),
            Const.of("recurrent_bias", DType.INT32, biases[1], bias_layout),
            Const.of("tanh", DType.INT16, tanh_entries(), "[256], 2^15 * tanh(i / 48)"),
            Input(HIDDEN),
            Input(CELL),
            Output(),
        ),
    )


def _work(view: NodeView) -> LstmWork:
    batches, steps, _, units = sizes_of(view)
    return LstmWork(1, batches * steps, batches * steps * units, macs(view))


LSTM = Kernel("unidirectional_sequence_lstm", "unidirectional_sequence_lstm.h", _lower, _work)
