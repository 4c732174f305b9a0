"""Takes a .tflite that is already int8, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflm_ext.convert.data import gather_all, input_warnings
from tflm_ext.convert.files import read_tflite
from tflm_ext.convert.int8_model import Conversion, Int8Model
from tflm_ext.convert.samples import InputSpec
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.ir import DType, Tensor
from tflm_ext.rewrite import prepare
from tflm_ext.verify.targets import Wanted
from tflm_ext.verify.tflm import run_outputs
from tflm_ext.verify.unchanged import check_rewritten


def take(path: Path, given: Mapping[str, Any], wanted: Wanted) -> Conversion:
    """Return a model that is already int8, without float ports, and the data passed with it."""
    original = read_tflite(path)
    prepared = prepare(original, path.stem)
    if prepared.whole != original:
        check_rewritten(original, prepared.whole, path.stem)
    found = strip_ports(prepared.data, path.stem)
    notes = [*prepared.notes, *(f"{text}." for text in (*found.stripped, *found.notes))]
    if not given:
        return Conversion(Int8Model.of(found.data, warnings=tuple(notes)))
    graph = read_graph(found.data, path.stem, run=run_outputs)
    names = {f"input {place}": old for place, old in prepared.input_names.items()}
    names |= {port.what: port.tensor_name for port in found.stripped}
    tensors = [graph.tensors[i] for i in graph.inputs]
    outputs = [graph.tensors[i] for i in graph.outputs]
    ports = [
        InputSpec(_signature_name(names.get(f"input {k}", t.name)), t.shape, _given_as(t))
        for k, t in enumerate(tensors)
    ]
    quantised = [(q.scale, q.zero_point) if (q := t.quantization) else None for t in tensors]
    data, warnings = gather_all(given, ports)
    said = input_warnings(data, ports, quantised)
    return Conversion.of(
        Int8Model.of(
            found.data, warnings=(*notes, *warnings, *said.warnings), suspects=said.suspects
        ),
        data,
        wanted.check([t.name for t in outputs], [t.shape for t in outputs], data),
    )


def _given_as(tensor: Tensor) -> str:
    """Return the type in which users pass an input: int32, or float32 for real values."""
    return "int32" if tensor.dtype is DType.INT32 else "float32"


def _signature_name(tensor_name: str) -> str:
    """Return the user's name of an input, from the converter's name of its tensor."""
    return tensor_name.partition(":")[0].removeprefix("serving_default_")
