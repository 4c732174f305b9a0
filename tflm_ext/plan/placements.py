"""Contents of the arena as a list: offset, lifetime, and the operator that writes each part."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.kernels import Scratch
from tflm_ext.plan.lifetimes import buffers
from tflm_ext.plan.plan import Plan, Step


@dataclass(frozen=True)
class Placement:
    """A range of the arena while it belongs to one tensor, or to one operator's scratch memory.

    Attributes:
        offset: in the arena, in bytes.
        bytes: size.
        tensor: its number; None for scratch memory.
        aliases: numbers of tensors that use the same bytes in different shapes.
        first: number of the operator that writes it; None if it exists before the first operator.
        last: number of the last operator that reads it; None if it is kept until the end.
        step: the operator that writes it or uses it as scratch memory; None if there is none.
    """

    offset: int
    bytes: int
    tensor: int | None
    aliases: tuple[int, ...]
    first: int | None
    last: int | None
    step: Step | None


def placements(plan: Plan) -> tuple[Placement, ...]:
    """List the contents of the arena, sorted by offset, then by time."""
    graph, steps = plan.graph, plan.steps
    aliases: dict[int, list[int]] = {}
    for i, tensor in graph.tensors.items():
        if tensor.alias is not None:
            aliases.setdefault(graph.storage(i), []).append(i)
    writers = {i: step for step in steps for i in step.view.node.outputs}
    scratch = {
        (number, position): offset
        for number, step in enumerate(steps)
        for position, offset in zip(_scratch_positions(step), step.scratch, strict=True)
    }
    found: list[tuple[int, int, Placement]] = []
    for buffer in buffers(graph, [step.call for step in steps]):
        assert isinstance(buffer.key, tuple)
        kind, number, *rest = buffer.key
        is_tensor = kind == "tensor"
        placement = Placement(
            offset=plan.offsets[number] if is_tensor else scratch[number, rest[0]],
            bytes=buffer.bytes,
            tensor=number if is_tensor else None,
            aliases=tuple(aliases.get(number, ())) if is_tensor else (),
            first=None if buffer.first < 0 else steps[buffer.first].index,
            last=None if buffer.last >= len(steps) else steps[buffer.last].index,
            step=writers.get(number) if is_tensor else steps[number],
        )
        found.append((placement.offset, buffer.first, placement))
    return tuple(placement for *_, placement in sorted(found, key=lambda row: row[:2]))


def _scratch_positions(step: Step) -> list[int]:
    return [i for i, a in enumerate(step.call.arguments) if isinstance(a, Scratch)]
