"""From a pipeline to a project: its C, the join with the model, limits of the board."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.conftest import ROOT
from tests.facts import int8_port
from tests.models import two_headed_net
from tests.sense.families import PIPELINES, SCORES, net, pipeline
from tests.test_wrong_values import Hostile, attempt, values
from tests.tflite_builder import ModelBuilder
from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.convert.pinned import PinnedInput
from tflm_ext.emit.sense import context_bytes, ring_samples, sense_files
from tflm_ext.errors import BudgetError, ConfigError, TflmExtError, UnsupportedModelError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import write_files
from tflm_ext.project.names import LONGEST
from tflm_ext.targets import board
from tflm_ext.verify.real_time import check_memory, check_time
from tflm_ext.verify.sense import drawn_recordings
from tflm_ext.verify.tflm import run_tflm

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wcast-align"]
WARNINGS += ["-Wundef", "-Wdouble-promotion", "-Werror"]
LENGTHS = (1, 8, 13, 22, 31, LONGEST)


def facts_of(own: sense.Pipeline, called: str, with_model: bool) -> ModelFacts:
    """A model after a pipeline, or none."""
    facts = replace(front_end(called, own)[0], command="tflm-ext export net.tflite")
    if not with_model:
        return facts
    count = own.out.size if isinstance(own.score, sense.Reconstruction) else 3
    x = int8_port("x", (1, *own.out.shape), own.out.scale, own.out.zero_point)
    return replace(facts, inputs=(x,), outputs=(int8_port("y", (1, count), 1 / 256, -128),))


def run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert not done.returncode and not done.stderr, done.stderr[:3000]
    return done.stdout


@pytest.mark.tool("clang-format")
def test_style_with_names_of_every_length(tmp_path: Path) -> None:
    for name in (*PIPELINES, *SCORES):
        own = pipeline(name)
        for length in LENGTHS:
            called = ("abcdefghij" * 4)[:length]
            for with_model in {False, not own.has_score}:
                files = sense_files(facts_of(own, called, with_model), own)
                folder = tmp_path / f"{name}_{length}_{with_model}"
                write_files([file for file in files if "/" not in file.path], folder)
    found = [str(path) for path in tmp_path.rglob("*_sense.?")]
    assert len(found) == 2 * len(LENGTHS) * (2 * len(PIPELINES) + len(SCORES))
    run(
        ["clang-format", f"--style=file:{ROOT / '.clang-format'}", "--dry-run", "-Werror", *found],
        tmp_path,
    )


@pytest.mark.tool("gcc", "g++", "clang")
@pytest.mark.parametrize("name", [*PIPELINES, *SCORES])
def test_no_warnings_and_the_size_of_the_context(name: str, tmp_path: Path) -> None:
    own = pipeline(name)
    facts = facts_of(own, "ear", with_model=False)
    write_files(sense_files(facts, own), tmp_path)
    for compiler, *options in (["gcc", "-O1"], ["clang", "-O0", "-DEAR_SENSE_TRACE"]):
        flags = ["-std=c99", *WARNINGS, *options, "-c", "-o", "x.o"]
        run([compiler, *flags, "ear_sense.c"], tmp_path)
    size = f'static_assert(sizeof(ear_sense_t) == {context_bytes(facts, own)}U, "size");\n'
    (tmp_path / "size.cpp").write_text(f'#include "ear_sense.h"\n{size}')
    run(["g++", "-std=c++11", *WARNINGS, "-fsyntax-only", "size.cpp"], tmp_path)


@pytest.mark.tool("gcc")
@pytest.mark.parametrize("name", ["keyword", "raw", "concat", "image", "normal"])
def test_pushes_in_the_middle_of_a_step(name: str, tmp_path: Path) -> None:
    """Samples are kept in order or counted as lost, and features are those of what was kept."""
    own = pipeline(name)
    facts, files = front_end("ear", own)
    write_files(files, tmp_path)
    spec = own.source.spec
    defines = [f"-DSAMPLE={spec.dtype.c}", f"-DLAST={len(own.blocks) - 1}", "-DEAR_SENSE_TRACE"]
    copies = ["-Dmemcpy=interrupted_memmove", "-Dmemmove=interrupted_memmove", "-fno-builtin"]
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    main = str(Path(__file__).parent / "interrupted.c")
    run(["gcc", *flags, *defines, *copies, "-I.", "-c", "ear_sense.c"], tmp_path)
    program = ["ear_sense.o", main, "-o", "program"]
    run(["gcc", *flags, *defines, "-DSEED=7", "-DSTEPS=3000", "-I.", *program], tmp_path)
    lost = int(run(["./program", "kept.bin", "features.bin"], tmp_path))
    kept = np.fromfile(tmp_path / "kept.bin", spec.dtype.numpy).reshape(-1, *spec.shape)
    assert lost > 100
    assert len(kept) > 10 * ring_samples(facts, own)
    expected = own.run(kept, own.start())[0][-1]
    assert len(expected) > 20
    assert (tmp_path / "features.bin").read_bytes() == expected.tobytes()
