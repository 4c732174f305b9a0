"""Names of inputs and outputs in the signatures of a .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tflm_ext.flatbuffer import Table
from tflm_ext.frontend.parse import MAX_NAME, damage_refused, root


@dataclass(frozen=True, slots=True)
class Signature:
    """What the signature of a file calls its ports, by the number of their tensors; untrusted."""

    inputs: Mapping[int, str] = field(default_factory=dict)
    outputs: Mapping[int, str] = field(default_factory=dict)


def read_signature(data: bytes, name: str = "model") -> Signature:
    """Return the first signature of a file, an empty one if it has none.

    Args:
        data: bytes of the file; untrusted.
        name: the model's name, for messages.

    Raises:
        UnsupportedModelError: not a valid .tflite.
    """
    with damage_refused(name):
        for table in root(data).tables(7):
            return Signature(_names(table.tables(0)), _names(table.tables(1)))
    return Signature()


def _names(entries: tuple[Table, ...]) -> dict[int, str]:
    return {entry.uint32(1): entry.text(0)[:MAX_NAME] for entry in entries}
