"""Memory of a pipeline in C, computed from what is printed."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.emit.sense import sense_view
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import Memory


def context_bytes(facts: ModelFacts, pipeline: Pipeline) -> int:
    """Return the bytes that a pipeline adds to <name>_sense_t, without the model's context."""
    view = sense_view(facts, pipeline)
    words = 8 + (2 if view.stack else 0) + (2 if view.streams else 0)
    arrays = [("uint32_t", words), (view.sample_type, view.ring * view.channels)]
    if view.streams:
        arrays.append((view.sample_type, view.chunk * view.channels))
        arrays.append((view.chunk_type, view.chunk_count * view.frame_channels))
    if not view.image:
        arrays.append((view.frame_type, view.frames))
    arrays.append((view.row_type, view.stack * view.row))
    if view.tail:
        arrays.append((view.row_type, view.stack * view.row))
    if view.keeps_input:
        arrays.append((view.input_type, view.inputs))
    if view.after:
        arrays.append(("int32_t", 3 if view.decides else 1))
    calls = (*view.streams, *view.calls, *view.tail, *view.after)
    members = [_struct_bytes([(kind, count)]) for kind, count in arrays]
    for call in calls:
        output = () if call.output is None else (call.output,)
        members.append(_struct_bytes([(m.ctype, m.count) for m in (*call.state, *output)]))
    shared = [_struct_bytes([(m.ctype, m.count) for m in call.scratch]) for call in calls]
    members.append((max(size for size, _ in shared), max(each for _, each in shared)))  # a union
    return _laid_out(members)[0]


def _struct_bytes(arrays: Sequence[tuple[str, int]]) -> tuple[int, int]:
    """Return size and alignment of a struct of arrays."""
    sizes = [Memory("", ctype, 1).bytes for ctype, _ in arrays]
    return _laid_out([(size * n, size) for size, (_, n) in zip(sizes, arrays, strict=True) if n])


def _laid_out(members: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return size and alignment of a struct of members, of which both are known."""
    at, widest = 0, 1
    for size, alignment in members:
        at = -(-at // alignment) * alignment + size
        widest = max(widest, alignment)
    return -(-at // widest) * widest, widest
