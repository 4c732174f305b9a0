"""The log-mel front end as TFLM runs it: .tflite files of the operators Signal*.

Tables of the filters are made here, too, with the padding that TFLM's Python package adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro.python.tflite_micro.runtime import Interpreter

from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic.log1p import log1p
from tflm_ext.signals.log_mel_block import LogMelBlock
from tflm_ext.signals.stage import Array

_ARENA = 1 << 20
_INT16 = 7  # TensorType of the transform
_BLOCK, _ALIGNED = 4, 2  # bins


class Tflm:
    """TFLM's interpreter on a model."""

    def __init__(self, model: bytes, outputs: int = 1) -> None:
        self._interpreter = Interpreter.from_bytes(model, arena_size=_ARENA)
        self._outputs = outputs

    def reset(self) -> None:
        self._interpreter.reset()

    def __call__(self, *inputs: Array) -> list[Array]:
        """What the model gives for items, one after another: (items, ...) for each output."""
        found: list[list[Array]] = [[] for _ in range(self._outputs)]
        for values in zip(*inputs, strict=True):
            for number, value in enumerate(values):
                self._interpreter.set_input(value, number)
            self._interpreter.invoke()
            for number, own in enumerate(found):
                own.append(np.array(self._interpreter.get_output(number)))
        return [np.stack(own) for own in found]


def single(
    name: str,
    inputs: Sequence[tuple[int, str] | Array],
    outputs: Sequence[tuple[int, str]],
    options: dict[str, int] | None = None,
) -> Tflm:
    """A model of one operator; inputs are constants, or lengths (0: one value) and types."""
    b = ModelBuilder()
    given = [
        b.constant(own) if isinstance(own, np.ndarray) else b.tensor(_shape(own[0]), dtype=own[1])
        for own in inputs
    ]
    fed = [n for n, own in zip(given, inputs, strict=True) if not isinstance(own, np.ndarray)]
    got = [b.tensor(_shape(length), dtype=dtype) for length, dtype in outputs]
    b.custom(name, given, got, options)
    return Tflm(b.finish(fed, got), len(got))


def _shape(length: int) -> tuple[int, ...]:
    """That of a vector; of a single value for 0."""
    return (length,) if length else ()


@dataclass(frozen=True)
class PaddedBank:
    """The filters as the operator takes them: bins of a band are read in blocks of 4, from an even
    bin on; bands without bins read a block of zeros.

    Attributes:
        start, end: of the bins that count.
    """

    start: int
    end: int
    tables: tuple[Array, ...]


def padded_bank(points: int, rate: float, bands: int, low: float, high: float) -> PaddedBank:
    """The tables of SignalFilterBank, computed bin by bin."""
    per_bin = (rate / 2) / (points / 2)
    low_mel, high_mel = _mel(low), _mel(high)
    step = np.float32(high_mel - low_mel) / np.float32(bands + 1)
    centres = [low_mel + step * np.float32(i) for i in range(1, bands + 2)]
    at = start = round(1 + low / per_bin)
    rows: list[list[tuple[int, int]]] = []
    firsts = []
    for band, centre in enumerate(centres):
        before = low_mel if band == 0 else centres[band - 1]
        row = []
        firsts.append(at)
        while (own := _mel(at * per_bin)) <= centre:
            share = np.float32(centre - own) / np.float32(centre - before)
            row.append((int(share * 4096), int((1 - share) * 4096)))
            at += 1
        rows.append(row)
    weights = [] if all(rows) else [(0, 0)] * _BLOCK
    frequencies, starts, widths = [], [], []
    for first, row in zip(firsts, rows, strict=True):
        if not row:
            frequencies.append(0)
            starts.append(0)
            widths.append(_BLOCK)
            continue
        lead = first % _ALIGNED
        width = -(-(lead + len(row)) // _BLOCK) * _BLOCK
        frequencies.append(first - lead)
        starts.append(len(weights))
        widths.append(width)
        weights += [(0, 0)] * lead + row + [(0, 0)] * (width - lead - len(row))
    pairs = np.array(weights, np.int16).reshape(-1, 2)
    lists = [np.array(own, np.int16) for own in (frequencies, starts, widths)]
    return PaddedBank(start, at, (pairs[:, 0].copy(), pairs[:, 1].copy(), *lists))


def _mel(hertz: float) -> np.float32:
    own = np.float32(hertz) / np.float32(700)
    return np.float32(1127) * np.float32(log1p(np.array([own]))[0])


def chain(block: LogMelBlock, rate: float, *, inner: bool = False) -> Tflm:
    """The whole front end, up to the logarithm.

    Args:
        rate: samples per second.
        inner: return the results of all operators: window, scaled, bits, spectrum, sums, roots and,
            with subtraction, rest and noise, and with gain control, amplified; then logarithm.
    """
    stage, points, bands = block.stage, block.points, block.stage.bands
    bank = padded_bank(points, rate, bands, stage.low_hz, stage.high_hz)
    b = ModelBuilder()
    found: list[int] = []

    def add(
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[tuple[int, str]],
        options: dict[str, int] | None = None,
    ) -> list[int]:
        made = [b.tensor(_shape(n), dtype=dtype) for n, dtype in outputs]
        b.custom(name, inputs, made, options)
        found.extend(made)
        return made

    length = block.source.shape[0]
    samples = b.tensor((length,), dtype="int16")
    weights = b.constant(hann(length))
    (windowed,) = add("SignalWindow", [samples, weights], [(length, "int16")], {"shift": 12})
    scaled, bits = add("SignalFftAutoScale", [windowed], [(length, "int16"), (0, "int32")])
    spectrum = add(
        "SignalRfft", [scaled], [(points + 2, "int16")], {"T": _INT16, "fft_length": points}
    )
    edges = {"start_index": bank.start, "end_index": bank.end}
    energy = add("SignalEnergy", spectrum, [(points // 2 + 1, "uint32")], edges)
    found.remove(energy[0])  # bins outside of the edges are not defined
    filters = [b.constant(own) for own in bank.tables]
    sums = add("SignalFilterBank", energy + filters, [(bands, "uint64")], {"num_channels": bands})
    current = add("SignalFilterBankSquareRoot", [*sums, bits], [(bands, "uint32")])
    if stage.subtraction is not None:
        both = [(bands, "uint32")] * 2
        options = subtraction_options(stage.subtraction, bands)
        *current, noise = add("SignalFilterBankSpectralSubtraction", current, both, options)
        if stage.pcan is not None:
            gain = b.constant(block.gain.astype(np.int16))
            shift = {"snr_shift": block.snr_shift}
            current = add("SignalPCAN", [*current, noise, gain], both[:1], shift)
    options = {"input_correction_bits": points.bit_length() - 7}
    options["output_scale"] = 1 << stage.log_bits
    add("SignalFilterBankLog", current, [(bands, "int16")], options)
    outputs = found if inner else found[-1:]
    return Tflm(b.finish([samples], outputs), len(outputs))


def hann(length: int) -> Array:
    """The window, as TFLM's Python package computes it."""
    angles = np.pi * 2 / length * (np.arange(length) + 0.5)
    return np.round((0.5 - (0.5 * np.cos(angles))) * (2**12)).astype(np.int16)


def subtraction_options(options: Any, bands: int) -> dict[str, int]:
    """Those of SignalFilterBankSpectralSubtraction."""
    one = 1 << options.bits
    smoothing = int(options.smoothing * one)
    alternate = int((options.alternate_smoothing or options.smoothing) * one)
    return {
        "alternate_one_minus_smoothing": one - alternate,
        "alternate_smoothing": alternate,
        "clamping": options.clamping,
        "min_signal_remaining": int(options.min_signal_remaining * one),
        "num_channels": bands,
        "one_minus_smoothing": one - smoothing,
        "smoothing": smoothing,
        "smoothing_bits": options.smoothing_bits,
        "spectral_subtraction_bits": options.bits,
    }
