"""The C++ of runtime "tflm": implements the C interface of a model with TensorFlow Lite Micro."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.emit.escape import c_numbers
from tflm_ext.emit.ports import PortView, input_views, pointer_type, port_views
from tflm_ext.emit.render import render
from tflm_ext.frontend.parse import RawModel
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.runtimes.tflm.arena import arena_bound
from tflm_ext.runtimes.tflm.operators import Registration, required

# Sizes of TensorFlow Lite Micro's objects in 32-bit words: the larger of the Arduino flavour and a
# current version. With 64-bit pointers, no member is larger than one pointer.
_INTERPRETER_WORDS = 52
_RESOLVER_WORDS = 3
_REGISTRATION_WORDS = 11


@dataclass(frozen=True, slots=True)
class _HeaderView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    model_bytes: int
    arena_bytes: int
    object_words: int
    macs: int
    stateful: bool
    input_type: str
    output_type: str
    ports: tuple[PortView, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class _SourceView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    magic: str
    inputs: tuple[PortView, ...]
    input_type: str
    output_type: str
    model_bytes: int
    arena_bytes: int
    arena_parts: tuple[tuple[int, str], ...]
    headers: tuple[str, ...]
    registrations: tuple[Registration, ...]
    variants: bool
    newer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _DataView:
    name: str
    upper: str
    library: str
    version: str
    command: str
    sha256: str
    model_bytes: int
    values: str


def context_bytes(parsed: RawModel, arena: int) -> int:
    """Return sizeof(context) with 32-bit pointers: objects, arena, two words; a multiple of 8."""
    used = 4 * _object_words(required(parsed)) + _multiple_of_8(arena) + 8
    return _multiple_of_8(used)


def interpreter_files(
    facts: ModelFacts, parsed: RawModel, model: bytes, arena: int
) -> tuple[RenderedFile, ...]:
    """Return the C++ of a model; paths are relative to lib/<Name>/src/.

    Args:
        facts: facts about the model, to be printed.
        parsed: the parsed `model`.
        model: bytes of the .tflite, with int8 or int32 ports.
        arena: bytes for TensorFlow Lite Micro's tensors and structures; see arena_bound(). If it
            is too small, AllocateTensors usually crashes.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro does not have one of its operators.
    """
    registrations = required(parsed)
    header = _HeaderView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        model_bytes=len(model),
        arena_bytes=arena,
        object_words=_object_words(registrations),
        macs=facts.macs,
        stateful=any(tensor.variable for tensor in parsed.tensors.values()),
        input_type=pointer_type(facts.inputs),
        output_type=pointer_type(facts.outputs),
        ports=port_views(facts),
        model_version=facts.model_version,
    )
    source = _SourceView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        magic=f"0x{facts.sha256[:8].upper()}",
        inputs=input_views(facts),
        input_type=pointer_type(facts.inputs),
        output_type=pointer_type(facts.outputs),
        model_bytes=len(model),
        arena_bytes=arena,
        arena_parts=_arena_parts(parsed, arena),
        headers=tuple(sorted({r.header for r in registrations if r.header})),
        registrations=registrations,
        variants=any(r.variant for r in registrations),
        newer=tuple(r.operator for r in registrations if not r.arduino),
    )
    data = _DataView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        sha256=facts.sha256,
        model_bytes=len(model),
        values=c_numbers(model),
    )
    views = {
        "model.h": header,
        "model.cpp": source,
        "model_data.h": data,
        "model_data.cpp": data,
    }
    return tuple(
        RenderedFile.text(f"{facts.name}_{file}", render(f"runtimes/tflm/{file}.j2", view))
        for file, view in views.items()
    )


def _object_words(registrations: tuple[Registration, ...]) -> int:
    places = max(len(registrations), 1)  # C++ has no arrays of length 0
    return _INTERPRETER_WORDS + _RESOLVER_WORDS + _REGISTRATION_WORDS * places


def _arena_parts(parsed: RawModel, arena: int) -> tuple[tuple[int, str], ...]:
    bound = arena_bound(parsed)
    if bound.total != arena:
        return ((arena, "as requested"),)
    return bound.parts


def _multiple_of_8(size: int) -> int:
    return (size + 7) // 8 * 8
