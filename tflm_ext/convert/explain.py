"""The errors for users after TensorFlow's process ended unexpectedly."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence

from tflm_ext.convert.child import PATIENCE, ChildEnded
from tflm_ext.convert.remedies import crash_refusal, operator_refusal
from tflm_ext.errors import ConfigError, TflmExtError, ToolError, UnsupportedModelError
from tflm_ext.programs import limit_error


def explain(
    do: str, ended: ChildEnded, layers: Mapping[str, str], command: Sequence[str]
) -> TflmExtError:
    """Return the error for the user after a child process ended unexpectedly.

    Args:
        do: the request that it did not answer.
        ended: how it ended, and its log.
        layers: class of every Keras layer, by name; empty if they are not known.
        command: that started it.
    """
    limit = limit_error("TensorFlow", ended.code, ended.log, command)
    if limit is not None:
        return limit
    missing = re.search(r"No module named '(tensorflow|keras|tf_keras|h5py)'", ended.log)
    if missing:
        return ToolError(
            f"{missing[1]} is not installed.",
            f"Run: {command[0]} -m pip install {missing[1]}",
            command=tuple(command),
            output=ended.log,
        )
    position = re.search(r"indices\[[\d,]*\] = (-?\d+) is not in \[0, (\d+)\)", ended.log)
    if position:
        return ConfigError(
            f"The data has the integer {position[1]} where the model looks up one from 0 to "
            f"{int(position[2]) - 1}.",
            "An Embedding has rows for 0 to its input_dim minus 1.",
        )
    refused = re.search(r"(?:TF Select|Custom) ops: (.*)", ended.log)
    if do == "convert" and refused:
        operators = [name.strip() for name in refused[1].split(",")]
        paths = [
            path
            for name in operators
            for path in re.findall(rf'"{re.escape(name)}:", "([^"@]+)@', ended.log)
        ]
        return operator_refusal(operators, paths, layers)
    crash = crash_refusal(layers) if do == "convert" and ended.code < 0 else None
    if crash:
        return crash
    if do == "load" and ended.code == -signal.SIGPROF:
        return UnsupportedModelError(
            f"The model cannot be loaded: it took more than {PATIENCE} seconds of processor time.",
            "The file may be damaged; save the model again with model.save('model.keras').",
        )
    said = next((line for line in reversed(ended.log.splitlines()) if line.strip()), "nothing")
    if do == "load" and ended.code > 0:
        return UnsupportedModelError(
            f"The model cannot be loaded: {said.strip()}",
            "If it has custom classes, load the model yourself and pass the live model.",
        )
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit status {ended.code}"
    return ToolError(
        f"TensorFlow failed in the step {do!r} ({how}).",
        "Its last messages are shown above. To find the layer that causes this, remove layers "
        "until the conversion succeeds.",
        command=tuple(command),
        output=ended.log,
    )
