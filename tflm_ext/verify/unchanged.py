"""Whether a rewritten .tflite computes what the given one does, both run by TFLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError, VerificationError
from tflm_ext.frontend import input_ports, read_graph, strip_ports
from tflm_ext.frontend.parse import RawModel, parse
from tflm_ext.ir import DType, Tensor
from tflm_ext.ir.facts import Port
from tflm_ext.verify.computable import keep_computable
from tflm_ext.verify.tflm import InterpreterCrash, TflmRun, run_outputs, run_tflm

Array: TypeAlias = np.ndarray[Any, Any]
_INPUTS = 64


def port_values(port: Port, count: int) -> Array:
    """(count, *shape): the lowest values, the highest ones, then random ones, always the same."""
    values = port.random(np.random.default_rng(0), count)
    values[0], values[1] = port.lowest, port.highest
    return values


def any_values(tensor: Tensor, count: int) -> Array:
    """port_values() for an input of any type, of which no limits are known."""
    generator = np.random.default_rng(0)
    if tensor.dtype is DType.FLOAT32:
        return generator.normal(size=(count, *tensor.shape)).astype(np.float32)
    if tensor.dtype is DType.BOOL:
        return generator.integers(0, 2, (count, *tensor.shape)).astype(bool)
    return port_values(Port.of(tensor), count)


def run_any(model: bytes, parsed: RawModel, columns: Sequence[Array]) -> TflmRun:
    """Run a model of any kind in TFLM.

    Args:
        parsed: this model, or one with the same outputs and tensors that are at least as large.
        columns: for each input, an array (vectors, *shape).
    """
    sizes = sum(tensor.bytes + 256 for tensor in parsed.tensors.values())
    return run_tflm(model, columns, len(parsed.outputs), arena_bytes=4 * sizes + (1 << 20))


def require_equal(before: TflmRun, after: TflmRun, what: str) -> None:
    """Require the outputs of two runs to be the same bytes.

    Args:
        what: what happened to the model between the runs.
    """
    for place, (ours, theirs) in enumerate(zip(after.outputs, before.outputs, strict=True)):
        wrong = int(np.count_nonzero(ours != theirs))
        if wrong:
            raise VerificationError(
                f"{wrong} values of output {place} changed by {what}.",
                "Keep the plain model, and report a bug.",
            )


def check_rewritten(given: bytes, rewritten: bytes, name: str) -> None:
    """Compare a model with the same model after rewrites, if TFLM runs both.

    TFLM lacks some operators that compute shapes, and stops at some shapes that the converter left
    open, so it does not run every given model.

    Raises:
        VerificationError: the outputs differ.
    """
    parsed = parse(rewritten, name)
    try:
        columns = _columns(rewritten, parsed, name)
        before = run_any(given, parsed, columns)
    except (UnsupportedModelError, InterpreterCrash):
        return
    require_equal(before, run_any(rewritten, parsed, columns), "the rewrites before the export")


def _columns(model: bytes, parsed: RawModel, name: str) -> Sequence[Array]:
    """For each input, of any type, values on which a model can be run."""
    tensors = [parsed.tensors[i] for i in parsed.inputs]
    try:
        graph = read_graph(strip_ports(model, name).data, name, run=run_outputs)
    except UnsupportedModelError:  # one that only TFLM knows
        return [any_values(tensor, _INPUTS) for tensor in tensors]
    ports = input_ports(graph)
    if any(port.dtype is not tensor.dtype for port, tensor in zip(ports, tensors, strict=True)):
        return [any_values(tensor, _INPUTS) for tensor in tensors]
    columns = [port_values(port, _INPUTS) for port in ports]
    return keep_computable(model, graph, columns)[0]
