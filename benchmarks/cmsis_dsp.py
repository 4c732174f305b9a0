"""CMSIS-DSP on the emulated core, compared with our stages.

Of CMSIS-DSP, this file has the names of functions and of their files only. Its results are compared
with float64, so that what is counted is the task.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.counted_steps import Result, Spent, count_steps
from benchmarks.signal_tasks import POINTS, SAMPLES, SECTIONS, samples
from tflm_ext.emit.sense_calls import number_lines
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals.fft import Array
from tflm_ext.targets import Board

_UNITS = (
    "BasicMathFunctions/arm_mult_f32",
    *(f"TransformFunctions/arm_{name}" for name in ("rfft_fast_f32", "rfft_fast_init_f32")),
    *(f"TransformFunctions/arm_{name}" for name in ("cfft_f32", "cfft_init_f32")),
    *(f"TransformFunctions/arm_{name}" for name in ("cfft_radix8_f32", "bitreversal2")),
    *("CommonTables/arm_common_tables", "CommonTables/arm_const_structs"),
    "ComplexMathFunctions/arm_cmplx_mag_squared_f32",
    *(f"FilteringFunctions/arm_biquad_cascade_{name}" for name in ("df1_f32", "df1_init_f32")),
    *(f"FilteringFunctions/arm_biquad_cascade_{name}" for name in ("df2T_f32", "df2T_init_f32")),
    *(f"FilteringFunctions/arm_biquad_cascade_{name}" for name in ("df1_q31", "df1_init_q31")),
    *(f"StatisticsFunctions/arm_{name}_f32" for name in ("mean", "rms", "var", "absmax_no_idx")),
    *(f"StatisticsFunctions/arm_{name}_q15" for name in ("mean", "rms", "var", "absmax_no_idx")),
    "FastMathFunctions/arm_sqrt_q15",
    *(f"SupportFunctions/arm_{name}" for name in ("q15_to_float", "float_to_q15")),
    *(f"SupportFunctions/arm_{name}" for name in ("q15_to_q31", "q31_to_q15")),
)
_FLAGS = ("-w", "-DNDEBUG", "-DARM_MATH_LOOPUNROLL")  # unrolled, as its own build does by default
_POST_SHIFT = 1  # coefficients in q31 are below 2, as those of a low-pass may have to be
_FIRST = """
#include "arm_math.h"

static float32_t floats[512];
static float32_t windowed[512];
static float32_t spectrum[512];
static q31_t words[512];
static q15_t shorts[512];
"""
_C = {"float32": "float32_t", "int32": "q31_t", "int16": "q15_t"}


@dataclass(frozen=True, slots=True)
class Way:
    """How CMSIS-DSP does a task.

    Attributes:
        task: key of signal_tasks.TASKS.
        name: of the way.
        conversion: statements for samples that come as int16, and maybe leave as such.
        statements: calls that are counted.
        declared: C that they need, and `begin` what initialises it.
        result: what they compute.
        skipped: of it, the first values, which are not what was asked for.
        tolerance: of the result, relative to the largest value.
    """

    task: str
    name: str
    conversion: tuple[str, ...]
    statements: tuple[str, ...]
    result: Result
    declared: tuple[str, ...] = ()
    begin: str = ""
    skipped: int = 0
    tolerance: float = 1e-5


@dataclass(frozen=True, slots=True)
class CmsisFigures:
    """What a way took, without conversion of the samples, and the conversion."""

    way: Way
    spent: Spent
    conversion: Spent


def _table(ctype: str, name: str, dtype: DType, values: Array) -> str:
    return f"static const {ctype} {name}[] = {{\n{number_lines(dtype, values.tolist())}\n}};"


def _hann(points: int) -> Array:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(points) / points)


def _spectrum(points: int) -> Way:
    result = Result(f"power_{points}", points // 2, "float32")
    return Way(
        f"spectrum_{points}",
        "float32",
        (f"arm_q15_to_float(samples, floats, {points})",),
        (
            f"arm_mult_f32(floats, window_{points}, windowed, {points})",
            f"arm_rfft_fast_f32(&fft_{points}, windowed, spectrum, 0)",
            f"arm_cmplx_mag_squared_f32(spectrum, {result.name}, {points // 2})",
        ),
        result,
        (
            _table("float32_t", f"window_{points}", DType.FLOAT32, _hann(points)),
            f"static arm_rfft_fast_instance_f32 fft_{points};",
        ),
        f"(void)arm_rfft_fast_init_{points}_f32(&fft_{points})",
        skipped=1,  # the powers of both real bins added, which others would take apart
    )


def _filter(sections: int, form: str, kind: str) -> Way:
    name = f"{form}_{kind}"
    own = f"{name}_{sections}"
    integers = kind == "q31"
    result = Result(f"filtered_{own}", SAMPLES, "int32" if integers else "float32")
    ctype = _C[result.dtype]
    struct = "cascade_df2T_instance_f32" if form == "df2T" else f"casd_df1_inst_{kind}"
    rows = SECTIONS[sections]
    coefficients = np.array([(*row[:3], -row[4], -row[5]) for row in rows]).ravel()
    values, dtype = coefficients, DType.FLOAT32
    if integers:
        values, dtype = np.rint(coefficients * 2.0 ** (31 - _POST_SHIFT)), DType.INT32
    state = (2 if form == "df2T" else 4) * sections
    given, there, back = ("floats", "q15_to_float", "float_to_q15")
    if integers:
        given, there, back = ("words", "q15_to_q31", "q31_to_q15")
    arguments = f"{sections}, coefficients_{own}, state_{own}"
    return Way(
        f"biquad_{sections}",
        name,
        (
            f"arm_{there}(samples, {given}, {SAMPLES})",
            f"arm_{back}({result.name}, shorts, {SAMPLES})",
        ),
        (f"arm_biquad_cascade_{name}(&filter_{own}, {given}, {result.name}, {SAMPLES})",),
        result,
        (
            _table(ctype, f"coefficients_{own}", dtype, values),
            f"static {ctype} state_{own}[{state}];",
            f"static arm_biquad_{struct} filter_{own};",
        ),
        f"arm_biquad_cascade_{form}_init_{kind}(&filter_{own}, {arguments}"
        + (f", {_POST_SHIFT})" if integers else ")"),
    )


def _statistics(kind: str) -> Way:
    result = Result(f"statistics_{kind}", 4, "float32" if kind == "f32" else "int16")
    given = "floats" if kind == "f32" else "samples"
    return Way(
        "statistics",
        kind,
        (f"arm_q15_to_float(samples, floats, {SAMPLES})",) if kind == "f32" else (),
        tuple(
            f"arm_{name}_{kind}({given}, {SAMPLES}, &{result.name}[{i}])"
            for i, name in enumerate(("mean", "rms", "var", "absmax_no_idx"))
        ),
        result,
        tolerance=1e-5 if kind == "f32" else 5e-3,
    )


WAYS = (
    *map(_spectrum, POINTS),
    *(
        _filter(sections, *form)
        for sections in SECTIONS
        for form in (("df1", "f32"), ("df2T", "f32"), ("df1", "q31"))
    ),
    _statistics("f32"),
    _statistics("q15"),
)


def commit_of(tree: Path) -> str:
    """Return the commit of a checkout, or "" if it is none itself."""
    command = ("git", "-C", str(tree), "rev-parse", "--show-prefix", "--short=7", "HEAD")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.fullmatch(r"\n([0-9a-f]{7,})\n", done.stdout)
    return found[1] if found and done.returncode == 0 else ""


def measure_cmsis(
    tree: Path, core: Path, board: Board, flags: tuple[str, ...]
) -> tuple[CmsisFigures, ...]:
    """Compile CMSIS-DSP, and do every task.

    Args:
        tree: a checkout of CMSIS-DSP.
        core: the folder of CMSIS that has cmsis_compiler.h.

    Raises:
        ConfigError: a folder has not what is needed.
        ToolError: it does not compile.
    """
    for folder, needed, remedy in (
        (tree, "Include/arm_math.h", "a checkout of CMSIS-DSP"),
        (core, "cmsis_compiler.h", "the folder CMSIS/Core/Include of a checkout of CMSIS"),
        *((tree, f"Source/{name}.c", "a checkout of the commit of the table") for name in _UNITS),
    ):
        if not (folder / needed).is_file():
            raise ConfigError(f"{folder} has no {needed}.", f"Pass {remedy}.")
    folders = (tree / "Include", tree / "PrivateInclude", core)
    own = (*flags, *_FLAGS, *(f"-I{folder.resolve()}" for folder in folders))
    steps = [f"{kind}_{i}" for i in range(len(WAYS)) for kind in ("step", "convert")]
    with scratch_folder() as folder:
        (folder / "ways.c").write_text(source(), "utf-8")
        units = [(folder / "ways.c", own)]
        units += [(tree.resolve() / f"Source/{name}.c", own) for name in _UNITS]
        spent, found = count_steps(units, steps, [way.result for way in WAYS], board, flags)
    for way in WAYS:
        check(way, found[way.result.name])
    return tuple(
        CmsisFigures(way, spent[f"step_{i}"], spent[f"convert_{i}"]) for i, way in enumerate(WAYS)
    )


def source() -> str:
    """Return the C that calls CMSIS-DSP: begin(), and step_N() and convert_N() of each way."""
    table = _table("int16_t", "samples", DType.INT16, samples())
    lines = [table.removeprefix("static const ")]  # the compiler knows no sample
    begin = ["arm_q15_to_float(samples, floats, 512)", "arm_q15_to_q31(samples, words, 512)"]
    for i, way in enumerate(WAYS):
        lines += [f"{_C[way.result.dtype]} {way.result.name}[{way.result.count}];", *way.declared]
        lines += [_function(f"step_{i}", way.statements), _function(f"convert_{i}", way.conversion)]
        begin.append(way.begin)
    return "\n".join([_FIRST, *lines, _function("begin", begin), ""])


def _function(name: str, statements: Sequence[str]) -> str:
    return f"void {name}(void)\n{{\n" + "".join(f"    {own};\n" for own in statements) + "}"


def check(way: Way, found: Array) -> None:
    """Compare what CMSIS-DSP computes with float64.

    Raises:
        AssertionError: it is something else.
    """
    scale: Mapping[str, float] = {"float32": 1.0, "int32": 2.0**31, "int16": 2.0**15}
    given = found.astype(np.float64) / scale[way.result.dtype]
    expected = reference(way.task)[: len(given)]
    error = np.abs(given - expected)[way.skipped :].max() / np.abs(expected).max()
    if not error <= way.tolerance:
        raise AssertionError(f"CMSIS-DSP's {way.task}, {way.name}, is wrong by {error:.2g}")


def reference(task: str) -> Array:
    """Return the result of a task in float64, of samples from -1 to 1."""
    x = samples().astype(np.float64) / 2**15
    if task == "statistics":
        spread = np.sum((x - x.mean()) ** 2) / (len(x) - 1)
        return np.array([x.mean(), np.sqrt(np.mean(x * x)), spread, np.abs(x).max()])
    size = int(task.rpartition("_")[2])
    if task.startswith("spectrum"):
        return np.abs(np.fft.rfft(x[:size] * _hann(size))) ** 2
    for b0, b1, b2, _, a1, a2 in SECTIONS[size]:
        y = np.zeros(len(x) + 2)
        padded = np.concatenate([[0.0, 0.0], x])
        for i in range(2, len(y)):
            y[i] = b0 * padded[i] + b1 * padded[i - 1] + b2 * padded[i - 2]
            y[i] -= a1 * y[i - 1] + a2 * y[i - 2]
        x = y[2:]
    return x
