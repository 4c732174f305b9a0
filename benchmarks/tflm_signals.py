"""TensorFlow Lite Micro's signal library on the emulated core, compared with our front ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.bench.emulator import emulate, link
from tflm_ext.bench.pipeline import measurement_samples
from tflm_ext.emit.render import render
from tflm_ext.emit.sense_calls import number_lines
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import Pipeline
from tflm_ext.signals.fft import Array
from tflm_ext.signals.log_mel import LogMelBlock
from tflm_ext.targets import Board

STEPS = (
    *("window", "scale", "Fourier transform", "energy", "filter bank", "square root"),
    *("subtraction", "PCAN", "logarithm"),
)
_UNITS = (
    *("window", "fft_auto_scale", "max_abs", "msb_32", "msb_64", "rfft_int16", "energy"),
    *("kiss_fft_wrappers/kiss_fft_int16", "filter_bank", "filter_bank_square_root"),
    *("square_root_32", "square_root_64", "filter_bank_spectral_subtraction"),
    *("pcan_argc_fixed", "filter_bank_log", "log"),
)
_KISSFFT = "tensorflow/lite/micro/tools/make/downloads/kissfft"

_MAIN = """
extern void tflm_begin(void);
extern void tflm_step(int step);
extern const int16_t *tflm_features(void);

int main(void)
{
    moment_t start;
    moment_t end;

    *SYST_RVR = SYSTICK_MASK;
    *SYST_CVR = 0U;
    *SYST_CSR = 5U;
    start = now();
    tflm_begin();
    end = now();
    print_number("begin", instructions_between(start, end));
    for (int step = 0; step < 18; ++step) {
        start = now();
        tflm_step(step % 9);
        end = now();
        print_number("step", instructions_between(start, end));
    }
    for (int i = 0; i < BANDS; ++i) {
        print_number("feature", (uint64_t)tflm_features()[i]);
    }
    return 0;
}
"""
_STEPS = """
#include <cstring>

#include "signal/src/energy.h"
#include "signal/src/fft_auto_scale.h"
#include "signal/src/filter_bank.h"
#include "signal/src/filter_bank_log.h"
#include "signal/src/filter_bank_spectral_subtraction.h"
#include "signal/src/filter_bank_square_root.h"
#include "signal/src/pcan_argc_fixed.h"
#include "signal/src/rfft.h"
#include "signal/src/window.h"

using namespace tflite::tflm_signal;

namespace {
alignas(8) char state[16384];
int16_t samples[POINTS];
int16_t scaled[POINTS];
Complex<int16_t> spectrum[POINTS / 2 + 1];
uint32_t energy[POINTS / 2 + 1];
uint64_t sums[BANDS + 1];
uint32_t bands[BANDS];
uint32_t rest[BANDS];
uint32_t noise[BANDS];
int16_t features[BANDS];
int bits;
const FilterbankConfig bank = { BANDS, starts, weight_starts, widths, weights, unweights, 0, 0 };
const SpectralSubtractionConfig subtraction = SUBTRACTION;
}

extern "C" void tflm_begin(void)
{
    tflm_signal::RfftInt16Init(POINTS, state, sizeof state);
}

extern "C" void tflm_step(int step)
{
    switch (step) {
    case 0: tflm_signal::ApplyWindow(frame, window, LENGTH, 12, samples); break;
    case 1: bits = FftAutoScale(samples, LENGTH, scaled); break;
    case 2: tflm_signal::RfftInt16Apply(state, scaled, spectrum); break;
    case 3: SpectrumToEnergy(spectrum, FIRST, LAST, energy); break;
    case 4: FilterbankAccumulateChannels(&bank, energy, sums); break;
    case 5: FilterbankSqrt(&sums[1], BANDS, bits, bands); break;
    case 6: FilterbankSpectralSubtraction(&subtraction, bands, rest, noise); break;
    case 7: ApplyPcanAutoGainControlFixed(gain, SNR_SHIFT, noise, rest, BANDS); break;
    default: FilterbankLog(rest, BANDS, LOG_SCALE, CORRECTION_BITS, features); break;
    }
}

extern "C" const int16_t *tflm_features(void)
{
    return features;
}
"""


@dataclass(frozen=True, slots=True)
class TflmFigures:
    """Instructions of TensorFlow Lite Micro.

    Attributes:
        start: at start, for the tables of the Fourier transform.
        steps: of a frame, as in STEPS.
        cycles: of a frame, estimated; None if QEMU cannot count them.
    """

    start: int
    steps: tuple[int, ...]
    cycles: int | None


@dataclass(frozen=True, slots=True)
class _Nothing:
    pass


def measure_tflm(
    tree: Path, pipeline: Pipeline, board: Board, flags: tuple[str, ...]
) -> TflmFigures:
    """Compile TFLM's signal library, and run two frames.

    Args:
        tree: a checkout of tflite-micro with its downloads, of which kissfft is needed.
        pipeline: Frames and LogMel with subtraction and gain control.

    Raises:
        ConfigError: the tree has no signal library or no kissfft.
        ToolError: it does not compile.
    """
    for needed in ("signal/src/rfft.h", f"{_KISSFFT}/kiss_fft.c"):
        if not (tree / needed).is_file():
            raise ConfigError(
                f"{tree} has no {needed}.",
                "Pass a checkout of tflite-micro after make third_party_downloads.",
            )
    block = next(block for block in pipeline.blocks if isinstance(block, LogMelBlock))
    samples = measurement_samples(pipeline.source.spec)[: block.source.shape[0]]
    includes = [tree, tree / _KISSFFT, tree / "signal/src"]
    own = ("-std=c++17", "-w", "-DNDEBUG", *(f"-I{folder}" for folder in includes))
    with scratch_folder() as folder:
        (folder / "steps.cc").write_text(_tables(block, samples) + _STEPS, "utf-8")
        units = [(folder / "steps.cc", (*flags, *own))]
        units += [(tree / f"signal/src/{name}.cc", (*flags, *own)) for name in _UNITS]
        harness = "#include <stddef.h>\n#include <stdint.h>\n"
        harness += render("bench/timers.c.j2", _Nothing()) + _MAIN
        bands = f"-DBANDS={block.stage.bands}"
        program = link(board, flags, folder / "tflm", harness, units, (bands,))
        said, intervals, _ = emulate(program, board.core, folder / "counts.txt")
    found = [int(value) for value in re.findall(r"^feature (\d+)$", said, re.MULTILINE)]
    expected, _ = block.run(np.stack([samples, samples]), block.start())
    if found != expected[-1].tolist():
        raise AssertionError(f"TFLM computes {found}, not {expected[-1].tolist()}")
    counts = [int(value) for value in re.findall(r"^(?:begin|step) (\d+)$", said, re.MULTILINE)]
    cycles = None
    if intervals is not None:
        # Between the two calls of now() around each step, and not from one step to the next.
        counts = [interval.instructions for interval in intervals[::2]]
        cycles = sum(interval.cycles for interval in intervals[::2][-len(STEPS) :])
    return TflmFigures(counts[0], tuple(counts[-len(STEPS) :]), cycles)


def _tables(block: LogMelBlock, samples: Array) -> str:
    """C++ with the sizes and tables of a front end."""
    stage, bank = block.stage, block.bank
    assert stage.subtraction is not None
    smoothing, alternate, least = stage.subtraction.weights()
    one = 1 << stage.subtraction.bits
    config = (
        *(stage.bands, smoothing, one - smoothing, least, alternate, one - alternate),
        *(stage.subtraction.smoothing_bits, stage.subtraction.bits),
        int(stage.subtraction.clamping),
    )
    edges = np.concatenate([[0], np.cumsum(bank.widths)[:-1]])
    names: Mapping[str, Any] = {
        "POINTS": block.points,
        "LENGTH": block.source.shape[0],
        "FIRST": bank.first,
        "LAST": bank.first + bank.bins,
        "SNR_SHIFT": block.snr_shift,
        "LOG_SCALE": 1 << stage.log_bits,
        "CORRECTION_BITS": block.correction_bits,
        "SUBTRACTION": "{ " + ", ".join(map(str, config)) + " }",
    }
    tables = {
        "frame": samples[:, 0],
        "window": block.window,
        "starts": bank.first + edges,
        "weight_starts": edges,
        "widths": bank.widths,
        "weights": bank.weights,
        "unweights": bank.unweights,
        "gain": block.gain,
    }
    lines = [f"#define {name} {value}" for name, value in names.items()]
    lines.append("#include <cstdint>")
    for name, values in tables.items():
        numbers = number_lines(DType.INT16, values.tolist())
        lines.append(f"static const int16_t {name}[{len(values)}] = {{\n{numbers}\n}};")
    return "\n".join(lines)
