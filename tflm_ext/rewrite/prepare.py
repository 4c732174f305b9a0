"""All rewrites of a given .tflite, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tflm_ext.rewrite.cut import cut
from tflm_ext.rewrite.moves import narrow_moves
from tflm_ext.rewrite.settle import settle
from tflm_ext.rewrite.unread import drop_unread


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that is ready to be read.

    Attributes:
        data: bytes of a .tflite.
        whole: the same before inputs and operators at its ends were left out.
        notes: what was changed, one sentence each.
        input_names: by place of an input of `data`, the name of the one in the file that it
            replaces.
    """

    data: bytes
    whole: bytes
    notes: tuple[str, ...]
    input_names: Mapping[int, str]


def prepare(data: bytes, name: str = "model") -> Prepared:
    """Fix the batch size, let values move in int8, and leave out what is not for the device.

    Args:
        data: bytes of the file; not trusted.
        name: the name that messages use for the model.

    Raises:
        UnsupportedModelError: not a valid .tflite, an input with a free size besides the batch, or
            no input that is read.
        ToolError: the program that writes the new file failed.
    """
    settled = settle(data, name)
    whole = narrow_moves(settled.data, name)
    read = drop_unread(whole, name)
    part = cut(read.data, name)
    folded = (f"{settled}.",) if settled.folded else ()
    notes = (*folded, *read.notes(), *(f"{note}." for note in part.notes))
    return Prepared(part.data, whole, notes, part.input_names)
