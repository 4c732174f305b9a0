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
from tests.test_wrong_values import attempt, values
from tests.tflite_builder import ModelBuilder
from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.convert.pinned import PinnedInput
from tflm_ext.emit.sense import ring_samples, sense_files
from tflm_ext.emit.sense_memory import context_bytes
from tflm_ext.errors import (
    BudgetError,
    ConfigError,
    TflmExtError,
    ToolError,
    UnsupportedModelError,
)
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import write_files
from tflm_ext.project.names import LONGEST
from tflm_ext.targets import board
from tflm_ext.verify.real_time import check_flash, check_memory, check_time
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


def joined(model: bytes, own: sense.Pipeline, folder: Path) -> TflmExtError:
    """The error of an export that must leave nothing."""
    (folder / "net.tflite").write_bytes(model)
    with pytest.raises(TflmExtError) as error:
        tflm_ext.export(folder / "net.tflite", folder / "out", pipeline=own, progress=False)
    assert [path.name for path in folder.iterdir()] == ["net.tflite"]
    assert error.value.hint
    return error.value


def requantised(own: sense.Pipeline) -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, *own.out.shape), scale=own.out.scale, zero_point=own.out.zero_point)
    y = b.tensor((1, *own.out.shape), scale=own.out.scale * 2)
    z = b.tensor((1, *own.out.shape), scale=1 / 256, zero_point=-128)
    b.operator("QUANTIZE", [x], [y])
    b.operator("LOGISTIC", [y], [z])
    return b.finish([x], [z])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda own: net(own, scale=0.5), ConfigError, "scale 0.5, zero point -128, but"),
        (lambda own: net(own, shape=(40, 10)), ConfigError, "shape 40 x 10, but the pipeline"),
        (lambda own: net(pipeline("statistics")), ConfigError, "shape 9, but the pipeline gives"),
        (lambda own: two_headed_net(), ConfigError, "has 2 inputs"),
        (requantised, UnsupportedModelError, "requantises its input"),
    ],
)
def test_models_that_do_not_fit(
    make: Callable[[Any], bytes], kind: type[TflmExtError], message: str, tmp_path: Path
) -> None:
    own = pipeline("keyword")
    error = joined(make(own), own, tmp_path)
    assert isinstance(error, kind)
    assert message in error.problem


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (PIPELINES["statistics"], "is not fitted"),
        (lambda: pipeline("normal"), "computes a score itself, with Normal"),
        (
            lambda: pipeline("autoencoder").with_decision(sense.Alarm()),
            "Alarm has no threshold yet",
        ),
    ],
)
def test_pipelines_that_are_not_complete(own: Any, message: str, tmp_path: Path) -> None:
    assert message in joined(net(pipeline("keyword")), own(), tmp_path).problem


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((10, 40), True),
        ((10, 40, 1), True),
        ((1, 10, 40), True),
        ((400,), True),
        ((40, 10), False),
        ((20, 20), False),
        ((10, 41), False),
        ((), False),
    ],
)
def test_shapes_that_take_the_same_values(shape: tuple[int, ...], fits: bool) -> None:
    assert PinnedInput(1.0, 0, (10, 40)).fits(shape) is fits


@pytest.mark.slow
def test_a_model_with_other_numbers_for_the_same_bytes(tmp_path: Path) -> None:
    """The bytes that the pipeline gives do not change, only what they are called."""
    own = pipeline("keyword")
    error = joined(net(own, scale=26 / 255), own, tmp_path)
    assert "quantization=(0.1019" in error.hint
    named = sense.Pipeline(
        *(own.source, *own.stages), decide=own.decide, quantization=(26 / 255, -128)
    )
    assert sense.Pipeline.from_json(named.to_json()) == named
    assert named.sha256 != own.sha256
    samples = drawn_recordings(own.source.spec, 20_000, seed=1)[0]
    np.testing.assert_array_equal(named.quantized(samples), own.quantized(samples))
    features = own.features(samples).astype(np.float64) * (26 / 255 / own.out.scale)
    np.testing.assert_allclose(named.features(samples), features, rtol=1e-6)
    for same in (named.with_(*named.stages, decide=None), named.with_decision(named.decide)):
        assert same.quantization == named.quantization
    result = tflm_ext.export(
        tmp_path / "net.tflite", tmp_path / "out", pipeline=named, progress=False
    )
    assert result.replay(samples).windows == len(named.quantized(samples))


@pytest.mark.parametrize("value", [5, "ab", (1,), (0.0, 0), (0.1, 128), (0.1, 0.5), (None, 0)])
def test_wrong_quantizations(value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        sense.Pipeline(sense.Image(2, 2, 1), quantization=value)
    assert error.value.hint


def test_the_ring_has_room_for_an_inference() -> None:
    own = pipeline("keyword")
    facts, chip = facts_of(own, "ear", with_model=True), board("nano33ble_sense")
    assert ring_samples(facts, own) == 1024
    assert ring_samples(replace(facts, inference_us=30_000), own) == 1024
    assert ring_samples(replace(facts, inference_us=60_000), own) == 2048
    check_time(replace(facts, inference_us=40_000), own, chip)
    with pytest.raises(BudgetError, match=r"60.0 ms .* every 40.0 ms \(20.0 ms too") as error:
        check_time(replace(facts, inference_us=60_000), own, chip)
    assert "every=3" in error.value.hint


def test_memory_of_the_pipeline_counts() -> None:
    own = pipeline("keyword")
    facts, chip = facts_of(own, "ear", with_model=True), board("nano33ble_sense")
    size = context_bytes(facts, own)
    check_memory(facts, own, 1000, tflm_ext.Budget(ram_bytes=size + 1000), chip)
    with pytest.raises(BudgetError, match=r"\(1 over\)") as error:
        check_memory(facts, own, 1001, tflm_ext.Budget(ram_bytes=size + 1000), chip)
    assert error.value.needs == size + 1001
    wide = sense.Pipeline(sense.Microphone(), sense.Frames(1000, 1 << 20), sense.Raw(flat=True))
    with pytest.raises(BudgetError, match="samples that wait"):
        check_memory(facts_of(wide, "ear", with_model=True), wide, 0, tflm_ext.Budget(), chip)


def test_flash_of_the_pipeline_counts() -> None:
    chip = board("nano33ble_sense")
    check_flash("ear", 4000, 1000, tflm_ext.Budget(flash_bytes=5000), chip)
    with pytest.raises(BudgetError, match=r"ear and .* 5,000 bytes of flash; .* 4,999 \(1 over\)"):
        check_flash("ear", 4000, 1000, tflm_ext.Budget(flash_bytes=4999), chip)
    most = chip.usable_flash_bytes
    with pytest.raises(BudgetError, match="leaves a program"):
        check_flash("ear", 4000, most - 3999, tflm_ext.Budget(), chip)


@pytest.mark.slow
def test_a_limit_of_flash_is_checked_with_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pipeline("k_means")
    report = tflm_ext.export(None, tmp_path / "fan", pipeline=own, progress=False).report
    assert report.bench is not None
    needs = report.bench["pipeline"]["flash_bytes"]
    limit = {"flash_bytes": needs - 1}
    with pytest.raises(BudgetError, match=r"bytes of flash; the budget allows .* \(1 over\)"):
        tflm_ext.export(None, tmp_path / "less", pipeline=own, budget=limit, progress=False)
    limit = {"flash_bytes": needs}
    tflm_ext.export(None, tmp_path / "just", pipeline=own, budget=limit, progress=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="arm-none-eabi-gcc"):
        tflm_ext.export(None, tmp_path / "more", pipeline=own, budget=limit, progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"fan", "just"}


@pytest.mark.parametrize("argument", ["calibration_data", "test_data", "labels"])
def test_wrong_values_with_a_pipeline(argument: str, tmp_path: Path) -> None:
    """All are found before anything is compiled, as the model does not fit the pipeline either."""
    own = pipeline("keyword")
    (tmp_path / "net.tflite").write_bytes(net(own, scale=0.5))
    for make in values(argument):
        for value in (make(), ([np.zeros(20_000, np.int16)], make())):
            given = {"pipeline": own, argument: value}
            attempt(
                lambda given=given: tflm_ext.export(  # type: ignore[misc]
                    tmp_path / "net.tflite", tmp_path / "out", progress=False, **given
                )
            )
    assert [path.name for path in tmp_path.iterdir()] == ["net.tflite"]


def test_options_may_be_numbers_of_numpy() -> None:
    own = sense.Pipeline(
        sense.Motion(np.float64(104.2)),
        sense.HighPass(np.float32(0.5)),
        sense.Frames(np.int64(64), np.uint8(32)),
        sense.Raw(),
        decide=sense.Detect(average=np.int16(4), on=np.float32(0.5)),
    )
    assert own.source.rate.denominator == 5
    assert sense.Pipeline.from_json(own.to_json()) == own


@pytest.mark.parametrize("rate", ["1e99999999", "1E-9999999", "1/0", "nan", "9" * 50])
def test_rates_that_would_take_for_ever(rate: str) -> None:
    with pytest.raises(ConfigError, match=r"Microphone\.rate"):
        sense.Microphone(rate)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keyword", "raw", "image", "autoencoder"])
def test_model_computes_what_tflm_makes_of_the_features(name: str, tmp_path: Path) -> None:
    own = pipeline(name)
    model = net(own)
    (tmp_path / "net.tflite").write_bytes(model)
    result = tflm_ext.export(tmp_path / "net.tflite", tmp_path / "out", pipeline=own)
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["pipeline"]["sha256"] == own.sha256
    assert report["pipeline"]["frames"] >= 64
    spec = own.source.spec
    samples = drawn_recordings(spec, 60 if len(spec.shape) > 1 else 30_000, seed=8)[0]
    features = own.quantized(samples)
    outputs = run_tflm(model, [features[:, np.newaxis]], 1, arena_bytes=100_000).outputs[0]
    found = result.replay(samples, "native")
    assert found.windows == len(features) > 0
    scale, zero_point = (own.out.scale, -3) if name == "autoencoder" else (1 / 256, -128)
    quantised = np.rint(found.outputs / scale) + zero_point
    np.testing.assert_array_equal(quantised, outputs.reshape(len(features), -1))
