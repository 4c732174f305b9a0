"""Inputs and outputs of a model as generated files show them, whichever runtime runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import inverse_of_scale
from tflm_ext.emit.escape import c_float, c_list, c_number, c_numbers, markdown, plain
from tflm_ext.ir.affine import Affine
from tflm_ext.ir.facts import GoldenVector, ModelFacts, Port


@dataclass(frozen=True, slots=True)
class PortView:
    """One input or output in templates.

    Attributes:
        what: "input 0".
        name: what users call it, "" if they do not.
        macro, function: parts of names in C: "INPUT_IMAGE", "input_image".
        numbered: the same by its number: "input0"; equal to function if it is the only one.
        own: end of names that a model with one such port does not have: "_input_image", else "".
        number: its index as a C expression.
        variable, sample: names of variables in examples.
        ctype: of an element.
        bytes, numbered_bytes: its size as a C expression, with either name.
        scale, zero_point: None if its elements are integers.
        limits: smallest and largest value, of all elements or of each.
        low, high: the same as values of macros: numbers, or initialisers with one for each element;
            None if it takes every value of its type.
        at: what picks an element's own from them: "" or "[i]".
        multiplier, shift: 1 / scale is multiplier / 2^shift, rounded up at its 47th bit.
        labels: names of its classes.
        classes: how many it chooses from, 0 if it is not known to choose.
        binary: whether it is the probability of the second of two classes.
        lifted: what becomes of real values before they become int8; None if nothing does.
    """

    what: str
    index: int
    is_input: bool
    macro: str
    function: str
    name: str
    numbered: str
    own: str
    number: str
    variable: str
    sample: str
    tensor_name: str
    ctype: str
    size: int
    bytes: str
    numbered_bytes: str
    rank: int
    shape: str
    scale: str | None
    zero_point: int | None
    limits: tuple[tuple[str, str], ...]
    low: str | None
    high: str | None
    at: str
    multiplier: str | None
    shift: int | None
    labels: tuple[str, ...]
    classes: int
    binary: bool
    lifted: LiftedView | None


@dataclass(frozen=True, slots=True)
class LiftedView:
    """The layers of the Keras model that quantise functions compute, (x - mean) / deviation.

    Attributes:
        layers: their names and classes, as text.
        count: numbers of each table.
        mean, deviation: the values of macros: a number, or an initialiser.
    """

    layers: str
    count: int
    mean: str
    deviation: str


def port_views(facts: ModelFacts) -> tuple[PortView, ...]:
    """The inputs and then the outputs."""
    return (*input_views(facts), *output_views(facts))


def input_views(facts: ModelFacts) -> tuple[PortView, ...]:
    return _views(facts, "input", facts.inputs)


def output_views(facts: ModelFacts) -> tuple[PortView, ...]:
    return _views(facts, "output", facts.outputs)


def _views(facts: ModelFacts, kind: str, ports: Sequence[Port]) -> tuple[PortView, ...]:
    alone = len(ports) == 1
    return tuple(_view(facts, kind, i, port, alone) for i, port in enumerate(ports))


def _view(facts: ModelFacts, kind: str, index: int, port: Port, alone: bool) -> PortView:
    function, real = port.symbol or f"{kind}{index}", port.quantization
    macro = function.upper()
    multiplier, shift = inverse_of_scale(real.scale) if real else (None, None)
    sizeof = "" if port.dtype.size == 1 else f" * sizeof({port.dtype.c})"
    return PortView(
        what=f"{kind} {index}",
        index=index,
        is_input=kind == "input",
        macro=macro,
        function=function,
        name=port.name,
        numbered=f"{kind}{index}",
        own="" if alone else f"_{function}",
        number="0" if alone else f"{facts.upper}_{macro}_INDEX",
        variable=kind if alone else function,
        sample="sample" if alone else f"sample_{function}",
        tensor_name=port.tensor_name,
        ctype=port.dtype.c,
        size=port.size,
        bytes=f"{facts.upper}_{macro}_SIZE{sizeof}",
        numbered_bytes=f"{facts.upper}_{kind.upper()}{index}_SIZE{sizeof}",
        rank=len(port.shape),
        shape=", ".join(map(str, port.shape)) or "1",
        scale=c_float(real.scale) if real else None,
        zero_point=real.zero_point if real else None,
        limits=tuple((c_number(own.low), c_number(own.high)) for own in port.limits),
        low=None if port.takes_all else _macro([own.low for own in port.limits]),
        high=None if port.takes_all else _macro([own.high for own in port.limits]),
        at="[i]" if len(port.limits) > 1 else "",
        multiplier=f"INT64_C({multiplier})" if multiplier else None,
        shift=shift,
        labels=port.labels,
        classes=port.classes,
        binary=port.binary,
        lifted=None if port.affine is None else _lifted_view(port.affine),
    )


def _lifted_view(affine: Affine) -> LiftedView:
    def macro(values: Sequence[float]) -> str:
        if len(values) > 1:
            return _initialiser(map(c_float, values))
        return c_float(values[0]) if values[0] >= 0 else f"({c_float(values[0])})"

    return LiftedView(
        lifted_layers(affine), affine.count, macro(affine.mean), macro(affine.deviation)
    )


def lifted_layers(affine: Affine) -> str:
    """The layers that were lifted, as text: "rescaling (Rescaling), batch_norm (...)"."""
    return ", ".join(plain(str(layer), 80) for layer in affine.layers)


def lifted_inputs(facts: ModelFacts) -> Iterator[str]:
    """What was lifted from each input, as text: "input 0: normalization (Normalization)"."""
    for i, port in enumerate(facts.inputs):
        if port.affine is not None:
            yield f"input {i}: {lifted_layers(port.affine)}"


def _macro(values: Sequence[int]) -> str:
    """The value of a macro: a number, or an initialiser."""
    if len(values) == 1:
        return c_number(values[0])
    return _initialiser(map(c_number, values))


def _initialiser(numbers: Iterable[str]) -> str:
    return " \\\n".join(["{", *c_list(numbers).splitlines(), "    }"])


def pointer_type(ports: Sequence[Port]) -> str:
    """What functions that give any of these ports point to: their type, void if they differ.

    Example:
        >>> from tflm_ext.ir import DType, Limits
        >>> a, b = (Port("", (1,), (Limits.of(t),)) for t in (DType.INT8, DType.INT32))
        >>> pointer_type([a, a]), pointer_type([b]), pointer_type([a, b])
        ('int8_t', 'int32_t', 'void')
    """
    types = {port.dtype.c for port in ports}
    return types.pop() if len(types) == 1 else "void"


def titled(port: Port, what: str) -> str:
    """A port in Markdown: "input 0", or "input 0 (image)" where its name is in its symbol."""
    named = port.name and port.symbol.rstrip("0123456789") not in ("input", "output")
    return f"{what} ({markdown(port.name, 60)})" if named else what


def formula(port: Port) -> str:
    """What an element q stands for, as text: "0.5 * (q + 3)", "q from 0 to 8"."""
    if port.quantization is None:
        return " ".join(("q", *allowed(port)))
    zero_point = port.quantization.zero_point
    difference = f"q {'+' if zero_point < 0 else '-'} {abs(zero_point)}"
    real = f"{c_float(port.quantization.scale).removesuffix('f')} * ({difference})"
    return real if port.affine is None else f"{_restored(port.affine)} {real}"


def _restored(affine: Affine) -> str:
    """What turns a normalised value into a real one, as text: "3.0 + 2.0 *"."""
    if affine.count > 1:
        return "mean + deviation *"
    mean, deviation = (
        c_float(number[0]).removesuffix("f") for number in (affine.mean, affine.deviation)
    )
    return f"{mean} + {deviation} *" if affine.mean[0] else f"{deviation} *"


def allowed(port: Port) -> tuple[str, ...]:
    """The values that a port takes, in words: "from 0 to 8"; nothing if it takes all."""
    if port.takes_all:
        return ()
    if len(port.limits) == 1:
        return (f"from {port.limits[0].low} to {port.limits[0].high}",)
    low, high = min(own.low for own in port.limits), max(own.high for own in port.limits)
    return (f"from {low} to {high}, each element within its own limits",)


@dataclass(frozen=True, slots=True)
class ElementsView:
    """Elements of a port as a table in C.

    Attributes:
        port: "input0", "output0", ...
        symbol: the port's part of names in C.
        ctype: of an element.
        size: elements.
        rows: their values, one text for each vector.
    """

    port: str
    symbol: str
    ctype: str
    size: int
    rows: tuple[str, ...]


def golden_tables(
    facts: ModelFacts, vectors: Sequence[GoldenVector], indent: int = 4
) -> tuple[ElementsView, ...]:
    """The inputs and then the outputs of golden vectors, a table for each port by its number."""
    return (
        *_tables("input", facts.inputs, [vector.inputs for vector in vectors], indent),
        *_tables("output", facts.outputs, [vector.outputs for vector in vectors], indent),
    )


def _tables(
    kind: str, ports: Sequence[Port], vectors: Sequence[Sequence[bytes]], indent: int
) -> Iterator[ElementsView]:
    for i, port in enumerate(ports):
        values = [np.frombuffer(vector[i], port.dtype.numpy).tolist() for vector in vectors]
        rows = tuple(c_numbers(row, " " * indent) for row in values)
        symbol = port.symbol or f"{kind}{i}"
        yield ElementsView(f"{kind}{i}", symbol, port.dtype.c, port.size, rows)


def element_kinds(facts: ModelFacts) -> str:
    """What the elements of golden vectors are, in words."""
    real = all(port.quantization for port in (*facts.inputs, *facts.outputs))
    return "raw int8" if real else "raw int8 or int32"
