"""Changes to a .tflite: operators that are removed, tensors that become constants, shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tflm_ext.rewrite.child import run_rewrite


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change.

    Attributes:
        removed: numbers of operators.
        constants: by tensor number, the bytes of a tensor that none of the operators that stay
            writes.
        shapes: by tensor number, its shape, of which no size is free.
        types: by tensor number, the tensor from which it takes element type and quantisation.
        inputs: by operator number, its inputs.
    """

    removed: tuple[int, ...]
    constants: Mapping[int, bytes] = field(default_factory=dict)
    shapes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    types: Mapping[int, int] = field(default_factory=dict)
    inputs: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


def edited(model: bytes, edit: Edit) -> bytes:
    """A .tflite with the changes.

    Args:
        model: a file that parse() accepts.

    Raises:
        UnsupportedModelError: the file is damaged where parse() does not look.
        ToolError, StorageError: a limit of this computer.
    """
    changes = {"removed": np.array(edit.removed, np.int64)}
    changes |= {f"constant{i}": np.frombuffer(d, np.uint8) for i, d in edit.constants.items()}
    changes |= {f"shape{i}": np.array(s, np.int32) for i, s in edit.shapes.items()}
    changes |= {f"type{i}": np.array(like, np.int64) for i, like in edit.types.items()}
    changes |= {f"inputs{i}": np.array(n, np.int32) for i, n in edit.inputs.items()}
    return run_rewrite("tflm_ext.rewrite.apply", model, changes)
