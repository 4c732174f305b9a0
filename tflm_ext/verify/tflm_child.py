"""The child process of tflm.py: runs TensorFlow Lite Micro's interpreter and may crash with it.

Imports nothing of this package, so that it runs as a plain program.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def compute(
    model: bytes,
    inputs: Sequence[np.ndarray[Any, Any]],
    output_count: int,
    arena_bytes: int,
    reset_each: bool = False,
    tensors: Sequence[int] = (),
    *,
    print_arena: bool = False,
) -> tuple[list[np.ndarray[Any, Any]], dict[int, np.ndarray[Any, Any]]]:
    """Outputs and intermediate tensors of vectors that run one after the other; see run_tflm."""
    from tflite_micro.python.tflite_micro.runtime import Interpreter, InterpreterConfig

    keep = {"intrepreter_config": InterpreterConfig.kPreserveAllTensors} if tensors else {}
    interpreter = Interpreter.from_bytes(model, arena_size=arena_bytes, **keep)
    outputs: list[list[Any]] = [[] for _ in range(output_count)]
    observed: dict[int, list[Any]] = {i: [] for i in tensors}
    for vector in zip(*inputs, strict=True):
        if reset_each:
            interpreter.reset()
        for i, value in enumerate(vector):
            interpreter.set_input(value, i)
        interpreter.invoke()
        for i, column in enumerate(outputs):
            column.append(np.array(interpreter.get_output(i)))
        for i, column in observed.items():
            column.append(np.array(interpreter.GetTensor(i, 0)["tensor_data"]))
    if print_arena and not tensors:  # it does not record where it keeps them all
        interpreter.print_allocations()  # on standard error, the only place for it
    return [np.stack(c) for c in outputs], {i: np.stack(c) for i, c in observed.items()}


def main(request: str, response: str) -> None:
    """Read the request, compute, write the response."""
    with np.load(request) as archive:
        input_count, output_count, arena_bytes, reset_each, *tensors = archive["numbers"].tolist()
        model = archive["model"].tobytes()
        inputs = [archive[f"input{i}"] for i in range(input_count)]
    outputs, observed = compute(
        model, inputs, output_count, arena_bytes, bool(reset_each), tensors, print_arena=True
    )
    arrays: dict[str, Any] = {f"output{i}": array for i, array in enumerate(outputs)}
    arrays |= {f"tensor{i}": array for i, array in observed.items()}
    np.savez(response, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
