"""encode(): a .tflite whose weights are stored encoded, for TensorFlow Lite Micro's DECODE."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.encoding.methods import METHODS, Encoded, NotEncodableError, refusal
from tflm_ext.encoding.result import EncodedTensor, EncodingResult, PlainTensor
from tflm_ext.errors import (
    BudgetError,
    ConfigError,
    ToolError,
    UnsupportedModelError,
)
from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.frontend.parse import RawModel, parse
from tflm_ext.ir import Tensor
from tflm_ext.near import did_you_mean, did_you_mean_file, unknown
from tflm_ext.options import Budget, Methods, as_budget, as_progress
from tflm_ext.programs import LimitError
from tflm_ext.rewrite.child import run_rewrite
from tflm_ext.storage import as_path, shown
from tflm_ext.verify.computable import keep_computable
from tflm_ext.verify.tflm import TflmRun
from tflm_ext.verify.unchanged import any_values, port_values, require_equal, run_any
from tflm_ext.warm import warm_python

Array: TypeAlias = np.ndarray[Any, Any]
Progress: TypeAlias = Callable[[str], None]
_CUSTOM = 32
# Their kernels for Cortex-M sum up weights before anything is decoded, and refuse computed ones.
_WANT_CONSTANTS = {27: "SVDF", 44: "UNIDIRECTIONAL_SEQUENCE_LSTM"}
_INPUTS = 64
_FEW_INPUTS = 8  # inputs on which a tensor is tried on its own
_SMALLEST = 64  # smallest constant, in bytes, that DECODE and its tables can make smaller


def encode(
    model: bytes | str | os.PathLike[str],
    methods: Methods = "auto",
    *,
    budget: Budget | Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> EncodingResult:
    """Store the weights of an int8 model encoded: less flash, for more RAM and more time.

    TensorFlow Lite Micro decodes a tensor into its arena on every call, before the operator that
    reads it. Only its interpreter (runtime "tflm") runs such a model, from 2025 on, and not in its
    Arduino library. Sparse and clustered weights benefit most. tflm_ext.prune_channels() saves
    flash, RAM and time on every runtime.

    "huffman" gives frequent values short codes. "lut" stores indexes into a table of the distinct
    values (128 at most). "pruning" stores a bit for each weight, and the weights that are not zero.
    The new model runs in TensorFlow Lite Micro, and is returned only if its outputs equal those of
    the original on 64 inputs.

    Args:
        model: bytes or path of an int8 .tflite.
        methods: "auto": for each tensor the method that makes it smallest, if that saves flash and
            the budget allows the RAM. A collection of "huffman", "lut", "pruning": the best of
            these for every tensor that becomes smaller, regardless of RAM. A dict from names of
            tensors to methods: only these.
        budget: for "auto", a Budget or a dict of its limits. ram_bytes limits the arena as TFLM's
            interpreter measures it here; with flash_bytes or weight_bytes, only as much is encoded
            as is needed to bring the .tflite below that limit. macs is ignored.
        progress: called with a short text for each tensor that is tried.

    Returns:
        The new model, and the result for each tensor.

    Raises:
        ConfigError: an argument cannot be used, or names a tensor that does not exist.
        UnsupportedModelError: not a valid .tflite, or one that TFLM does not run.
        BudgetError: the budget cannot be met.
        VerificationError: outputs differ.
        ToolError: TFLM's interpreter is missing or crashed.

    Example:
        result = tflm_ext.encode("sparse.tflite", {"huffman"})
        Path("encoded.tflite").write_bytes(result.model)
        print(result)
    """
    limits = as_budget(budget)
    say = as_progress(progress)
    given = model if isinstance(model, bytes) else _read(as_path("model", model))
    try:
        parsed = parse(given, "the model")
    except MalformedError as error:
        raise UnsupportedModelError(
            f"The model is not a valid .tflite file: {error}.",
            "Pass the file that the converter wrote.",
        ) from error
    if not parsed.inputs or not parsed.outputs:
        raise UnsupportedModelError(
            "The model has no inputs or no outputs, so nothing can be compared.",
            "Pass the file that the converter wrote.",
        )
    if any(node.code == _CUSTOM and node.custom == "TFLM_DECODE" for node in parsed.nodes):
        raise ConfigError("The model is already encoded.", "Pass the model it was made from.")
    chosen = _methods(methods, parsed)
    with warm_python():
        return _Encoding(given, parsed, say).result(chosen, limits)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        near = did_you_mean_file(path, (".tflite",)) if not os.path.exists(path) else ""
        raise ConfigError(
            f"{shown(path)} cannot be read: {error.strerror}.", f"{near}Pass a .tflite file."
        ) from error


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The user's choice: methods for all tensors, or one method for each of some tensors."""

    everywhere: tuple[str, ...]
    by_tensor: Mapping[int, str] | None
    auto: bool


def _methods(methods: Any, parsed: RawModel) -> _Chosen:
    if isinstance(methods, str) and methods == "auto":
        return _Chosen(tuple(METHODS), None, True)
    if isinstance(methods, np.ndarray):
        methods = methods.ravel().tolist()
    if isinstance(methods, str) or not isinstance(methods, Iterable):
        methods = [methods]
    names = list(methods.values()) if isinstance(methods, Mapping) else list(methods)
    for name in names:
        if not isinstance(name, str) or name not in METHODS:
            raise unknown(f"There is no encoding {name!r}.", name, ("auto", *METHODS))
    if not isinstance(methods, Mapping):
        if not names:
            raise ConfigError("methods is empty.", f"Choose one of: auto, {', '.join(METHODS)}.")
        return _Chosen(tuple(dict.fromkeys(names)), None, False)
    by_name = {tensor.name: number for number, tensor in parsed.tensors.items() if tensor.constant}
    for name in methods:
        if name not in by_name:
            raise ConfigError(
                f"The model has no constant {name!r}.",
                f"{did_you_mean(name, by_name)}It has, for example: "
                f"{', '.join(list(by_name)[:3])}.",
            )
    return _Chosen((), {by_name[name]: method for name, method in methods.items()}, False)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A tensor with its best encoding, tried on its own."""

    tensor: Tensor
    method: str
    encoded: Encoded
    saved: int
    growth: int


@dataclass
class _Encoding:
    given: bytes
    parsed: RawModel
    say: Progress

    @cached_property
    def columns(self) -> tuple[Array, ...]:
        """For each input, the arrays on which models are compared; TFLM computes all of them."""
        tensors = [self.parsed.tensors[i] for i in self.parsed.inputs]
        try:
            graph = read_graph(self.given, "the model")
        except UnsupportedModelError:
            return tuple(any_values(t, _INPUTS) for t in tensors)  # one that only TFLM knows
        columns = [port_values(port, _INPUTS) for port in input_ports(graph)]
        return keep_computable(self.given, graph, columns)[0]

    def result(self, chosen: _Chosen, budget: Budget | None) -> EncodingResult:
        before = self.run(self.given, _INPUTS)
        # The rewriting itself changes something, which no encoding is to blame for.
        base = len(self.rewrite({}))
        tried, plain = [], []
        for tensor in self.constants():
            found = self.attempt(tensor, chosen, base, before)
            if isinstance(found, _Tried):
                tried.append(found)
            else:
                plain.append(PlainTensor(tensor.name, tensor.bytes, found))
        tried.sort(key=lambda one: (one.growth, -one.saved))
        taken = self.choose(tried, chosen, budget or Budget(), before)
        plain += [
            PlainTensor(
                one.tensor.name, one.tensor.bytes, "the budget is easier to meet without it"
            )
            for one in tried
            if one not in taken
        ]
        model = self.given
        if taken:
            model = self.rewrite({one.tensor.index: one.encoded for one in taken})
        after = self.run(model, _INPUTS)
        require_equal(before, after, "encoding")
        return EncodingResult(
            model=model,
            tensors=tuple(
                EncodedTensor(
                    name=one.tensor.name,
                    method=one.method,
                    bytes_before=one.tensor.bytes,
                    bytes_after=one.encoded.bytes,
                    arena_growth_bytes=one.growth,
                    symbols=one.tensor.elements * self.consumers(one.tensor),
                )
                for one in sorted(taken, key=lambda one: one.tensor.index)
            ),
            plain=tuple(plain),
            tflite_bytes_before=len(self.given),
            tflite_bytes=len(model),
            arena_bytes_before=before.arena_bytes,
            arena_bytes=after.arena_bytes,
            inputs=len(before.outputs[0]),
        )

    def constants(self) -> list[Tensor]:
        read = {i for node in self.parsed.nodes for i in node.inputs}
        return [t for i, t in self.parsed.tensors.items() if t.constant and i in read]

    def consumers(self, tensor: Tensor) -> int:
        return sum(tensor.index in node.inputs for node in self.parsed.nodes)

    def attempt(self, tensor: Tensor, chosen: _Chosen, base: int, before: TflmRun) -> _Tried | str:
        """A tensor encoded on its own and run, or the reason why it stays plain."""
        methods = chosen.everywhere
        if chosen.by_tensor is not None:
            if tensor.index not in chosen.by_tensor:
                return "not requested"
            methods = (chosen.by_tensor[tensor.index],)
        reason = refusal(tensor)
        for node in self.parsed.nodes:
            if not reason and tensor.index in node.inputs and node.code in _WANT_CONSTANTS:
                reason = f"{_WANT_CONSTANTS[node.code]} needs it as a constant"
        if not reason and tensor.bytes < _SMALLEST and chosen.by_tensor is None:
            reason = "too small to become smaller"
        if reason:
            return reason
        found = {}
        for name in methods:
            try:
                found[name] = METHODS[name](tensor)
            except NotEncodableError as error:
                reason = f"{name}: {error}"
        if not found:
            return reason
        method, encoded = min(found.items(), key=lambda item: item[1].bytes)
        self.say(f"{method}: {tensor.name}")
        model = self.rewrite({tensor.index: encoded})
        saved = base - len(model)
        if saved <= 0 and chosen.by_tensor is None:
            return f"{method}, the best method, would take {-saved:,} bytes more"
        try:
            alone = self.run(model, _FEW_INPUTS)
        except LimitError:
            raise  # of this computer, not of the encoding
        except (UnsupportedModelError, ToolError) as error:
            return f"TensorFlow Lite Micro fails with it: {error.problem}"
        for ours, theirs in zip(alone.outputs, before.outputs, strict=True):
            if not np.array_equal(ours, theirs[:_FEW_INPUTS]):
                return "its operator reads it before it can be decoded"
        return _Tried(tensor, method, encoded, saved, alone.arena_bytes - before.arena_bytes)

    def choose(
        self, tried: Sequence[_Tried], chosen: _Chosen, budget: Budget, before: TflmRun
    ) -> Sequence[_Tried]:
        """As many of these as the budget requires and allows, starting with those that need the
        least RAM.

        Decoded data lives until the next operator, so the arena grows by about the largest tensor.
        """
        flash = min(
            (limit for limit in (budget.flash_bytes, budget.weight_bytes) if limit is not None),
            default=None,
        )
        if not chosen.auto or (flash is None and budget.ram_bytes is None):
            return tried
        taken: Sequence[_Tried] = ()
        size, arena = len(self.given), before.arena_bytes
        for count in range(1, len(tried) + 1):
            if flash is not None and size <= flash:
                break
            model = self.rewrite({one.tensor.index: one.encoded for one in tried[:count]})
            grown = self.run(model, 1).arena_bytes
            if budget.ram_bytes is not None and grown > budget.ram_bytes:
                break
            taken, size, arena = tried[:count], len(model), grown
        for what, needs, has in (
            ("RAM (the arena)", arena, budget.ram_bytes),
            ("flash (the .tflite)", size, flash),
        ):
            if has is not None and needs > has:
                raise BudgetError(
                    f"The model needs {needs:,} bytes of {what}, encoded as far as the rest of "
                    f"the budget allows; the budget allows {has:,}.",
                    "Raise a limit, or make the model smaller with tflm_ext.compress().",
                    needs=needs,
                    has=has,
                )
        return taken

    def rewrite(self, encoded: Mapping[int, Encoded]) -> bytes:
        """The model with these tensors encoded, from a child process."""
        arrays = {}
        for number, one in encoded.items():
            arrays[f"code{number}"] = np.frombuffer(one.code, np.uint8)
            arrays[f"ancillary{number}"] = np.frombuffer(one.ancillary, np.uint8)
        return run_rewrite("tflm_ext.encoding.insert", self.given, arrays)

    def run(self, model: bytes, count: int) -> TflmRun:
        return run_any(model, self.parsed, [column[:count] for column in self.columns])
