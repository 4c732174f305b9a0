"""Integer inputs of which a model only makes floats: uint8 pictures before Rescaling, say.

They are traced as float32 inputs, which become int8 like any others. Their data stays integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

_Call: TypeAlias = Callable[[Sequence[Any]], dict[str, Any]]


def widened(graph: Any) -> list[bool]:
    """Whether each input of a function's graph is an integer that is only cast to a float."""
    return [tensor.dtype.is_integer and _only_cast(tensor) for tensor in graph.inputs]


def _only_cast(tensor: Any) -> bool:
    readers = tensor.consumers()
    return bool(readers) and all(
        (op.type == "Cast" and op.outputs[0].dtype.is_floating)
        or (op.type == "Identity" and _only_cast(op.outputs[0]))
        for op in readers
    )


def narrowed(call: _Call, dtypes: Sequence[Any]) -> _Call:
    """A function of floats instead of integers; without_casts() removes the casts again.

    Args:
        call: the function of a list of tensors.
        dtypes: for each of its inputs, the integer type that it takes; None for other inputs.
    """
    import tensorflow as tf

    def of_floats(samples: Sequence[Any]) -> dict[str, Any]:
        return call(
            [
                sample if dtype is None else tf.cast(sample, dtype)
                for sample, dtype in zip(samples, dtypes, strict=True)
            ]
        )

    return of_floats


def without_casts(body: Any, arguments: Sequence[str]) -> None:
    """Let floats pass from a function's arguments to where integers were cast to floats.

    Args:
        body: the FunctionDef.
        arguments: names of arguments that narrowed() casts.
    """
    import tensorflow as tf

    float32 = tf.float32.as_datatype_enum
    # What each integer was before it was cast.
    floats = {
        f"{node.name}:y:0": node.input[0]
        for node in body.node_def
        if node.op == "Cast" and node.input[0] in arguments
    }
    for node in body.node_def:
        if not node.input or node.input[0] not in floats:
            continue
        node.input[0] = floats[node.input[0]]
        if node.op == "Identity":
            node.attr["T"].type = float32
            floats[f"{node.name}:output:0"] = node.input[0]
        else:
            node.attr["SrcT"].type = float32
