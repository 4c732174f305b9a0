"""Inputs that no operator reads. Converters keep them, in float32 for want of a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.parse import damage_refused, parse
from tflm_ext.frontend.subset import subset


@dataclass(frozen=True, slots=True)
class Read:
    """A model with only the inputs that are read.

    Attributes:
        data: bytes of a .tflite; the original ones if all inputs are read.
        kept: places of the inputs that stay.
        dropped: places of the others, with their names in the file.
    """

    data: bytes
    kept: tuple[int, ...]
    dropped: Mapping[int, str] = field(default_factory=dict)

    def notes(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """One sentence for each input that was removed, with the user's names if they are known."""
        return tuple(
            f"Nothing in the model reads input {place} {(names[place] if names else name)[:80]!r}; "
            "the project leaves it out."
            for place, name in self.dropped.items()
        )


def drop_unread(data: bytes, name: str = "model") -> Read:
    """Remove the inputs that neither an operator nor an output reads.

    Args:
        data: bytes of the file; not trusted.
        name: the name that messages use for the model.

    Raises:
        UnsupportedModelError: not a valid .tflite, or no input is read.
    """
    with damage_refused(name):
        model = parse(data, name)
        read = {i for node in model.nodes for i in node.inputs} | set(model.outputs)
        kept = tuple(place for place, i in enumerate(model.inputs) if i in read)
        if len(kept) == len(model.inputs):
            return Read(data, kept)
        if not kept:
            raise UnsupportedModelError(
                f"{name}: nothing in the model reads its inputs, so its outputs never change.",
                "Compute the outputs from the inputs.",
            )
        dropped = {
            place: model.tensors[i].name
            for place, i in enumerate(model.inputs)
            if place not in kept
        }
        operators = [node.index for node in model.nodes]
        inputs = [model.inputs[place] for place in kept]
        return Read(subset(data, operators, inputs, model.outputs), kept, dropped)
