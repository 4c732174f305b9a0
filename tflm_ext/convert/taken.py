"""Takes a .tflite that is already int8, without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tflm_ext.convert.data import gather_all, input_warnings
from tflm_ext.convert.files import read_tflite
from tflm_ext.convert.int8_model import Conversion, Int8Model, Known
from tflm_ext.convert.lifted import Affines, normalized
from tflm_ext.convert.pinned import Pinned, check_pinned, shaped_like
from tflm_ext.convert.samples import InputSpec
from tflm_ext.emit.escape import plain
from tflm_ext.errors import ConfigError
from tflm_ext.frontend import Int8Ports, read_graph, strip_ports
from tflm_ext.frontend.parse import parse
from tflm_ext.frontend.signatures import read_signature
from tflm_ext.ir import DType, Tensor
from tflm_ext.ir.names import port_name, unlike
from tflm_ext.rewrite import Prepared, prepare
from tflm_ext.verify.targets import Wanted
from tflm_ext.verify.tflm import run_outputs
from tflm_ext.verify.unchanged import check_rewritten


def take(
    path: Path,
    given: Mapping[str, Any],
    wanted: Wanted,
    known: Known | None = None,
    *,
    lift: bool = True,
    pinned: Pinned = (),
) -> Conversion:
    """Return a model that is already int8, without float ports, and the data passed with it.

    Args:
        known: about the ports, if this is the file of an earlier export.
        lift: whether the file may begin after layers that were lifted.
        pinned: as in convert().

    Raises:
        ConfigError: it does, although it may not, or its input does not take what is pinned.
    """
    original = read_tflite(path)
    prepared = prepare(original, path.stem)
    if prepared.whole != original:
        check_rewritten(original, prepared.whole, path.stem)
    found = strip_ports(prepared.data, path.stem)
    inputs, outputs = _names(original, prepared, found, path.stem)
    model = Int8Model.of(found.data)
    check_pinned(model.bytes, pinned)
    if known and known.fit(model.sha256, len(inputs), len(outputs)):
        inputs, outputs = unlike(known.inputs), unlike(known.outputs)
    graph = read_graph(found.data, path.stem, run=run_outputs) if given or known else None
    tensors = [graph.tensors[i] for i in graph.inputs] if graph else []
    affines = known.lifted(model.sha256, [t.shape for t in tensors]) if known else ()
    if any(affines) and not lift:
        raise _already_lifted(path.name, affines)
    notes = [*prepared.notes, *(f"{text}." for text in (*found.stripped, *found.notes))]
    model = replace(
        model, input_names=inputs, output_names=outputs, affines=affines, warnings=tuple(notes)
    )
    if not given or graph is None:
        return Conversion(model)
    ports = [
        InputSpec(name or t.name, t.shape, _given_as(t), keras_name=port_name(t.name))
        for name, t in zip(inputs, tensors, strict=True)
    ]
    quantised = [(q.scale, q.zero_point) if (q := t.quantization) else None for t in tensors]
    given = shaped_like(given, pinned, [port.shape for port in ports])
    data, warnings = gather_all(given, ports)
    taken = {
        what: normalized(columns, affines or (None,) * len(ports)) for what, columns in data.items()
    }
    said = input_warnings(taken, ports, quantised)
    ends = [graph.tensors[i] for i in graph.outputs]
    called = [name or t.name for name, t in zip(outputs, ends, strict=True)]
    return Conversion.of(
        replace(model, warnings=(*notes, *warnings, *said.warnings), suspects=said.suspects),
        data,
        wanted.by_names({t.name: name for name, t in zip(called, ends, strict=True)}).check(
            called, [t.shape for t in ends], data
        ),
    )


def _already_lifted(name: str, affines: Affines) -> ConfigError:
    layers = ", ".join(str(layer) for affine in affines if affine for layer in affine.layers)
    return ConfigError(
        f"{name} was exported without its first layers, which lift=False (--no-lift) keeps:"
        f" {plain(layers, 200)}.",
        "Pass the Keras model with lift=False, or leave lift=False out.",
    )


def _names(
    original: bytes, prepared: Prepared, found: Int8Ports, name: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the inputs and of the outputs, "" for those that have none.

    They are those of the file's signature, or else what the names of its tensors contain.
    """
    signature = read_signature(original, name)
    old, new = parse(original, name, settled=False), parse(found.data, name)
    by_tensor = {
        old.tensors[i].name: own for i, own in signature.inputs.items() if i in old.tensors
    }
    before = {f"input {place}": tensor for place, tensor in prepared.input_names.items()}
    before |= {port.what: port.tensor_name for port in found.stripped}
    inputs = [
        (by_tensor.get(tensor, ""), tensor)
        for tensor in (
            before.get(f"input {place}", new.tensors[i].name) for place, i in enumerate(new.inputs)
        )
    ]
    outputs = [(signature.outputs.get(i, ""), old.tensors[i].name) for i in old.outputs]
    return _chosen(inputs), _chosen(outputs)


def _chosen(ports: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names of ports, each given as its name in the signature and its tensor's."""
    # Files that older versions converted have x000, x001 and so on.
    numbered = all(re.fullmatch(r"[xy]\d{3}", own) for own, _ in ports)
    found = ["" if numbered else own for own, _ in ports]
    return unlike([own or port_name(tensor) for own, (_, tensor) in zip(found, ports, strict=True)])


def _given_as(tensor: Tensor) -> str:
    """Return the type in which users pass an input: int32, or float32 for real values."""
    return "int32" if tensor.dtype is DType.INT32 else "float32"
