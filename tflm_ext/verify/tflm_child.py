"""The child process of tflm.py, which runs TensorFlow Lite Micro's interpreter and may crash.

It imports nothing from this package, so that it runs as a plain program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
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
    begin: Callable[[int], None] = lambda vector: None,
) -> tuple[list[np.ndarray[Any, Any]], dict[int, np.ndarray[Any, Any]]]:
    """Return outputs and intermediate tensors of vectors that run one after another; see run_tflm.

    Args:
        begin: called with the number of each vector before it runs.
    """
    from tflite_micro.python.tflite_micro.runtime import Interpreter, InterpreterConfig

    keep = {"intrepreter_config": InterpreterConfig.kPreserveAllTensors} if tensors else {}
    interpreter = Interpreter.from_bytes(model, arena_size=arena_bytes, **keep)
    outputs: list[list[Any]] = [[] for _ in range(output_count)]
    observed: dict[int, list[Any]] = {i: [] for i in tensors}
    for number, vector in enumerate(zip(*inputs, strict=True)):
        begin(number)
        if reset_each:
            interpreter.reset()
        for i, value in enumerate(vector):
            interpreter.set_input(value, i)
        interpreter.invoke()
        for i, column in enumerate(outputs):
            column.append(np.array(interpreter.get_output(i)))
        for i, column in observed.items():
            column.append(np.array(interpreter.GetTensor(i, 0)["tensor_data"]))
    if print_arena and not tensors:  # not recorded if all tensors are kept
        interpreter.print_allocations()  # always prints on standard error
    return [np.stack(c) for c in outputs], {i: np.stack(c) for i, c in observed.items()}


def main(request: str, response: str, progress: str) -> None:
    """Read the request, compute, write the response; `progress` has the number of the vector."""
    with np.load(request) as archive:
        input_count, output_count, arena_bytes, reset_each, *tensors = archive["numbers"].tolist()
        model = archive["model"].tobytes()
        inputs = [archive[f"input{i}"] for i in range(input_count)]
    file = os.open(progress, os.O_WRONLY | os.O_CREAT)

    def begin(vector: int) -> None:
        os.pwrite(file, b"%019d" % vector, 0)

    outputs, observed = compute(
        model,
        inputs,
        output_count,
        arena_bytes,
        bool(reset_each),
        tensors,
        print_arena=True,
        begin=begin,
    )
    arrays: dict[str, Any] = {f"output{i}": array for i, array in enumerate(outputs)}
    arrays |= {f"tensor{i}": array for i, array in observed.items()}
    np.savez(response, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
