"""What LogMel computes for frames of one length, with the bits of TensorFlow Lite Micro."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.signals import fft
from tflm_ext.signals.checks import real, refuse, whole
from tflm_ext.signals.mel import WEIGHT_BITS, Bank, gain_fits, gain_table, hann
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, table, with_python_numbers

if TYPE_CHECKING:
    from tflm_ext.signals.log_mel import LogMel

_LEGACY = 25.6  # TFLM's real values are log values with 6 fraction bits, divided by this
_SNR_BITS, _GAIN_OUT_BITS = 12, 6
_LAST = 2**15 - 1  # ends a table of bins


@with_python_numbers
@dataclass(frozen=True)
class Subtraction:
    """Subtracts an estimate of the steady noise from every band."""

    smoothing: float = entry("Weight of a new frame in the estimate.", default=0.025)
    alternate_smoothing: float = entry(
        "The same for every second band; 0 for that of the others.", default=0.06
    )
    smoothing_bits: int = entry("Fraction bits of the estimate.", default=10)
    min_signal_remaining: float = entry("Share of a band that always remains.", default=0.05)
    clamping: bool = entry("Whether the estimate never exceeds the signal.", default=False)
    bits: int = entry("Fraction bits of the weights.", default=14)

    def __post_init__(self) -> None:
        real("Subtraction.smoothing", self.smoothing, 0, 1)
        real("Subtraction.alternate_smoothing", self.alternate_smoothing, 0, 1)
        real("Subtraction.min_signal_remaining", self.min_signal_remaining, 0, 1)
        whole("Subtraction.smoothing_bits", self.smoothing_bits, 0, 16)
        whole("Subtraction.bits", self.bits, 1, 14)
        if not isinstance(self.clamping, bool):
            refuse("Subtraction.clamping", self.clamping, "True or False", "Pass one of these.")

    def weights(self, real: type[float | np.float32] = float) -> tuple[int, int, int]:
        """Return smoothing, alternate smoothing and minimum as integers; they round down.

        Args:
            real: type of the numbers that are multiplied.
        """
        one = 1 << self.bits
        alternate = self.alternate_smoothing or self.smoothing
        shares = (self.smoothing, alternate, self.min_signal_remaining)
        smoothing, alternate, least = (int(real(share) * one) for share in shares)
        return smoothing, alternate, least


@with_python_numbers
@dataclass(frozen=True)
class Pcan:
    """Gain control per band: a band counts by how far it is above its own noise."""

    strength: float = entry("Exponent of the noise, 1 for full normalisation.", default=0.95)
    offset: float = entry("Added to the noise.", default=80.0)
    gain_bits: int = entry("Fraction bits of the gain.", default=21)

    def __post_init__(self) -> None:
        real("Pcan.strength", self.strength, 0, 4)
        real("Pcan.offset", self.offset, 0.001, 1e6)
        whole("Pcan.gain_bits", self.gain_bits, 1, 30)


@dataclass(frozen=True, eq=False)
class LogMelBlock:
    """The front end for frames of one length.

    Attributes:
        KERNEL: its function in C.
        points: of the Fourier transform.
    """

    KERNEL: ClassVar[str] = "log_mel"

    source: Spec
    stage: LogMel
    points: int
    bank: Bank

    @property
    def out(self) -> Spec:
        return replace(
            self.source,
            form=Form.FEATURES,
            dtype=DType.INT16,
            shape=(self.stage.bands,),
            unit="",
            scale=2.0**6 / 2**self.stage.log_bits / _LEGACY,
            limits=(0.0, self.stage.top),
        )

    @cached_property
    def window(self) -> Array:
        """The window's weights, times 2**12."""
        return hann(self.source.shape[0])

    @property
    def window_table(self) -> Array:
        """Of the window, what the C needs: all or its first half."""
        half = self.source.shape[0] // 2
        return self.window[: half + half % 2]

    @property
    def weight_tables(self) -> tuple[Const, ...]:
        """The weights of the bins."""
        layout = f"[bin {self.bank.bins}], times 2^12"
        return (
            table("weights", DType.INT16, self.bank.weights, layout),
            table("whole", DType.INT16, [*self.bank.whole, _LAST], "[bin], and the end"),
        )

    def scale_bits(self, windowed: Array) -> Array:
        """Return by how many bits each frame is shifted left before the transform."""
        return arithmetic.scale_bits(windowed)

    @property
    def shares(self) -> tuple[int, int, int]:
        """Smoothing, alternate smoothing and minimum of the subtraction, as integers."""
        options = self.stage.subtraction
        return options.weights() if options else (0, 0, 0)

    @property
    def correction_bits(self) -> int:
        """Fraction bits that the transform and the root of the filters' weights have lost."""
        return (self.points.bit_length() - 1) - WEIGHT_BITS // 2

    @cached_property
    def gain(self) -> Array:
        """The table of PCAN; empty without it."""
        stage = self.stage
        if stage.pcan is None or stage.subtraction is None:
            return np.zeros(0, np.int64)
        bits = stage.subtraction.smoothing_bits - self.correction_bits
        return gain_table(stage.pcan.strength, stage.pcan.offset, bits, stage.pcan.gain_bits)

    @property
    def snr_shift(self) -> int:
        """By how much the product of a band and its gain is shifted right.

        TFLM's Python package computes the same number and then passes 6, which is that of its
        defaults, to the operator.
        """
        bits = self.stage.pcan.gain_bits if self.stage.pcan else 0
        return bits - self.correction_bits - _SNR_BITS

    def check_gain(self, pcan: Pcan) -> None:
        """Require options for which the result of TFLM's gain control is defined.

        Raises:
            ConfigError: the gain has too few bits, or falls too fast for its table.
        """
        lost = self.correction_bits
        subtraction = self.stage.subtraction
        if subtraction is not None and subtraction.smoothing_bits < lost:
            raise ConfigError(
                f"Gain control after a transform of {self.points} points needs noise with {lost} "
                f"fraction bits or more, but it has {subtraction.smoothing_bits}.",
                f"Pass Subtraction(smoothing_bits={lost}), or more.",
            )
        least = lost + _SNR_BITS + 1
        if pcan.gain_bits < least:
            raise ConfigError(
                f"Gain control after a transform of {self.points} points needs a gain with {least} "
                f"fraction bits or more, but it has {pcan.gain_bits}.",
                f"Pass Pcan(gain_bits={least}), or more.",
            )
        if not gain_fits(self.gain):
            raise ConfigError(
                f"The gain falls too fast with the noise (strength={pcan.strength:g}, "
                f"offset={pcan.offset:g}, gain_bits={pcan.gain_bits}): its table overflows.",
                "Pass a smaller strength or gain_bits, or a larger offset.",
            )

    def start(self) -> State:
        """No noise in any band."""
        if self.stage.subtraction is None:
            return ()
        return (np.zeros(self.stage.bands, np.int64),)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        if len(items) == 0:
            return np.zeros((0, self.stage.bands), np.int16), state
        bands, noise, state = self.magnitudes(items[:, :, 0], state)
        if self.stage.pcan is not None:
            bands = amplified(bands, noise, self.gain, self.snr_shift)
        return self.logarithm(bands).astype(np.int16), state

    def magnitudes(self, frames: Array, state: State) -> tuple[Array, Array, State]:
        """Return bands and noise as uint32 values, (frames, bands) each, before gain and logarithm.

        Args:
            frames: (frames, length), int16; at least one.
        """
        windowed = arithmetic.apply_window(frames, self.window, WEIGHT_BITS)
        bits = self.scale_bits(windowed)
        scaled = arithmetic.wrap16(windowed << bits[:, np.newaxis])
        padded = np.pad(scaled, ((0, 0), (0, self.points - scaled.shape[1])))
        energy = arithmetic.energy(*arithmetic.rfft(padded))
        summed = self.filtered(energy)
        roots = arithmetic.square_root(summed) >> bits.astype(np.uint64)[:, np.newaxis]
        bands = roots.astype(np.int64)
        if self.stage.subtraction is None:
            return bands, np.zeros_like(bands), state
        (noise,) = state
        bands, noises = subtracted(bands, noise, self.stage.subtraction, self.shares)
        return bands, noises, (noises[-1].copy(),)

    def filtered(self, energy: Array) -> Array:
        """Return the sums of every band, (frames, bands) uint64, of (frames, bins) energies."""
        bank = self.bank
        part = energy[:, bank.first : bank.first + bank.bins].astype(np.uint64)
        edges = np.concatenate([[0], np.cumsum(bank.widths)])

        def sums(weights: Array) -> Array:
            total = np.cumsum(part * weights.astype(np.uint64), axis=1)
            total = np.concatenate([np.zeros((len(part), 1), np.uint64), total], axis=1)
            return total[:, edges[1:]] - total[:, edges[:-1]]

        return sums(bank.weights)[:, 1:] + sums(bank.unweights)[:, :-1]

    def logarithm(self, bands: Array) -> Array:
        """Return the scaled logarithm of uint32 values, as int16 values; 0 up to 1."""
        corrected = arithmetic.wrap_uint32(bands << max(self.correction_bits, 0))
        found = arithmetic.scaled_log(np.maximum(corrected, 1), 1 << self.stage.log_bits)
        return np.where(corrected > 1, np.minimum(found, arithmetic.INT16_MAX), 0)

    def lower(self) -> SignalCall:
        stage, bank = self.stage, self.bank
        noise = stage.subtraction
        smoothing, alternate, least = self.shares
        length = self.source.shape[0]
        half = self.points // 2
        fields: tuple[tuple[str, Any], ...] = (
            ("length", length),
            ("half", half),
            ("fft", fft.fields(half)),
            ("first_bin", bank.first),
            ("split_from", min(bank.first, half - (bank.first + bank.bins) + 1)),
            ("bands", stage.bands),
            ("subtract", int(noise is not None)),
            ("smoothing", (smoothing, alternate)),
            ("smoothing_bits", noise.smoothing_bits if noise else 0),
            ("subtraction_bits", noise.bits if noise else 0),
            ("least", least),
            ("clamping", int(bool(noise and noise.clamping))),
            ("pcan", int(stage.pcan is not None)),
            ("snr_shift", max(self.snr_shift, 0)),
            ("correction_bits", max(self.correction_bits, 0)),
            ("log_scale", 1 << stage.log_bits),
        )
        window = self.window_table
        logarithm = table("logarithm", DType.INT16, arithmetic.LOG_TABLE, "[segment 128 + 1]")
        gain = logarithm  # without gain control, not read, but GCC warns of a shorter table
        if len(self.gain):
            layout = "[interval][value, slope, curvature, 0], from 2 on"
            gain = table("gain", DType.INT16, self.gain, layout)
        return SignalCall(
            name=self.KERNEL,
            header=f"{self.KERNEL}.h",
            fields=fields,
            tables=(
                table("window", DType.INT16, window, f"[sample {len(window)}], times 2^12"),
                *fft.tables(half),
                table("widths", DType.INT16, bank.widths, f"[band {stage.bands} + 1]"),
                *self.weight_tables,
                gain,
                logarithm,
            ),
            state=(Memory("noise", "uint32_t", stage.bands if noise else 1),),
            scratch=(Memory("spectrum", "uint32_t", half + 1),),
        )


def subtracted(
    bands: Array, noise: Array, options: Subtraction, shares: tuple[int, int, int]
) -> tuple[Array, Array]:
    """Subtract the noise from bands, frame by frame.

    Args:
        bands: (frames, bands), uint32 values.
        noise: (bands,), the estimate after the frame before.
        shares: smoothing, alternate smoothing and minimum, as integers.

    Returns:
        What remains, and the estimates; both (frames, bands).
    """
    smoothing, alternate, least = shares
    weights = np.where(np.arange(bands.shape[1]) % 2 == 0, smoothing, alternate).astype(np.uint64)
    others = np.uint64(1 << options.bits) - weights
    shift = np.uint64(options.bits)
    scaled = arithmetic.wrap_uint32(bands << options.smoothing_bits).astype(np.uint64)
    noises = np.empty_like(scaled)
    estimates = np.empty_like(scaled)
    last = noise.astype(np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    for frame, signal in enumerate(scaled):
        last = ((signal * weights + last * others) >> shift) & mask
        estimates[frame] = np.minimum(last, signal)
        if options.clamping:
            last = estimates[frame]
        noises[frame] = last
    floor = (bands * least) >> options.bits
    rest = ((scaled - estimates) >> np.uint64(options.smoothing_bits)).astype(np.int64)
    return np.maximum(rest, arithmetic.wrap_uint32(floor)), noises.astype(np.int64)


def amplified(bands: Array, noise: Array, gain: Array, snr_shift: int) -> Array:
    """Multiply bands by a gain that falls with their noise, and compress what is small.

    Args:
        bands, noise: (frames, bands), uint32 values.
        gain: from gain_table().
        snr_shift: see LogMelBlock.
    """
    interval = arithmetic.bit_length(noise)
    base = np.maximum(4 * interval - 6, 0)
    fraction = (
        np.where(
            interval < 11,
            noise << np.maximum(11 - interval, 0),
            noise >> np.maximum(interval - 11, 0),
        )
        & 0x3FF
    )
    last = len(gain) - 1
    value = (gain[np.minimum(base + 2, last)] * fraction) >> 5
    value = (value + (gain[np.minimum(base + 1, last)] << 5)) * fraction
    curved = arithmetic.wrap16(((value + (1 << 14)) >> 15) + gain[np.minimum(base, last)])
    factor = arithmetic.wrap_uint32(np.where(noise <= 2, gain[np.minimum(noise, 2)], curved))
    product = bands.astype(np.uint64) * factor.astype(np.uint64)
    snr = arithmetic.wrap_uint32((product >> np.uint64(snr_shift)).astype(np.int64))
    small = arithmetic.wrap_uint32(snr * snr) >> (2 + 2 * _SNR_BITS - _GAIN_OUT_BITS)
    large = (snr >> (_SNR_BITS - _GAIN_OUT_BITS)) - (1 << _GAIN_OUT_BITS)
    return np.where(snr < (2 << _SNR_BITS), small, arithmetic.wrap_uint32(large))
