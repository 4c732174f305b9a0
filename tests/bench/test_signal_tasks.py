"""What our stages take for tasks that CMSIS-DSP does as well, and the comparison itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cmsis_dsp, front_ends
from benchmarks.bench import FLAGS, read
from benchmarks.cmsis_dsp import WAYS, Way
from benchmarks.counted_steps import Result, Spent, count_steps, program, words
from benchmarks.signal_tasks import TASKS
from tflm_ext import ConfigError
from tflm_ext.bench.emulator import compiler_name
from tflm_ext.targets import default_board

EMULATED = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]
ROWS = {(row["model"], row["optimize"]): row for row in read()}
STAGES = [(task, name) for task, own in TASKS.items() for name in own]


def test_every_stage_has_a_row() -> None:
    found = {key: row["sha256"] for key, row in ROWS.items() if key[1].startswith("stage ")}
    assert found == {(task, f"stage {name}"): TASKS[task][name].sha256 for task, name in STAGES}


def test_every_way_of_cmsis_dsp_has_rows_of_one_commit() -> None:
    found = {key for key in ROWS if key[1].startswith("CMSIS-DSP ")}
    (commit,) = {name.split()[1] for _, name in found}
    assert re.fullmatch("[0-9a-f]{7}", commit)
    expected = {(way.task, f"CMSIS-DSP {commit} {way.name}") for way in WAYS}
    expected |= {
        (way.task, f"CMSIS-DSP {commit} {way.name} of int16") for way in WAYS if way.conversion
    }
    assert found == expected


@pytest.mark.parametrize("task", TASKS)
def test_bars(task: str) -> None:
    """With int16, as sensors give it, every stage takes fewer instructions than CMSIS-DSP."""
    own = {name: int(row["instructions"]) for (of, name), row in ROWS.items() if of == task}
    theirs = [count for name, count in own.items() if name.endswith((" of int16", " q15"))]
    ours = [count for name, count in own.items() if name.startswith("stage ")]
    assert max(ours) <= min(theirs)


@pytest.mark.parametrize(("task", "name"), STAGES)
@EMULATED[0]
@EMULATED[1]
def test_no_figure_grows(task: str, name: str) -> None:
    expected = ROWS[task, f"stage {name}"]
    found = front_ends.row_of_stage(task, name)
    if expected["compiler"] != compiler_name(FLAGS):
        pytest.skip(f"the table was made with {expected['compiler']}")
    for figure in ("instructions", "cycles"):
        assert int(found[figure]) <= 1.01 * int(expected[figure]), figure


@EMULATED[0]
@EMULATED[1]
def test_steps_are_counted_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "steps.c").write_text(
        "#include <stdint.h>\n"
        "uint32_t sums[2];\n"
        "void begin(void) { sums[0] = 7U; }\n"
        'void few(void) { __asm__ volatile("nop"); }\n'
        "void many(void)\n{\n"
        "    for (uint32_t i = 0U; i < 100U; ++i) {\n"
        '        __asm__ volatile("nop\\n\\tnop\\n\\tnop");\n'
        "    }\n    sums[1] = sums[0] + 1U;\n}\n",
        "utf-8",
    )
    results = [Result("sums", 2, "int32")]
    units = [(tmp_path / "steps.c", FLAGS)]
    spent, found = count_steps(units, ["few", "many"], results, default_board(), FLAGS)
    assert found["sums"].tolist() == [7, 8]
    more = spent["many"].instructions - spent["few"].instructions
    assert 400 <= more <= 650


def test_a_program_has_every_step_and_prints_every_result() -> None:
    text = program(["one", "two"], [Result("numbers", 4, "int16"), Result("sums", 2, "float32")])
    for call in ("begin();", "one();", "two();"):
        assert text.count(f"    {call}") == 1
    assert text.count("i < 2U") == 2
    assert words("numbers 3\nother 1\nnumbers 4294967295\n", "numbers") == [3, 2**32 - 1]


def test_cycles_add_up_only_if_all_are_known() -> None:
    assert Spent(3, 4) + Spent(10, 20) == Spent(13, 24)
    assert Spent(3, None) + Spent(10, 20) == Spent(13, None)


def test_the_source_has_a_function_for_every_way() -> None:
    text = cmsis_dsp.source()
    assert text.count("void begin(void)") == 1
    for i, way in enumerate(WAYS):
        assert text.count(f"void step_{i}(void)") == text.count(f"void convert_{i}(void)") == 1
        assert all(f"    {call};\n" in text for call in (*way.statements, *way.conversion))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.task}-{way.name}")
def test_results_are_compared_with_float64(way: Way) -> None:
    kind = np.dtype(way.result.dtype)
    scale = 1 if kind.kind == "f" else 2 ** (8 * kind.itemsize - 1)
    expected = cmsis_dsp.reference(way.task)[: way.result.count] * scale
    assert expected.size == way.result.count
    found = expected.astype(kind)
    cmsis_dsp.check(way, found)
    found[-1] += np.abs(found).max() // 8 if kind.kind == "i" else np.abs(found).max() / 8
    with pytest.raises(AssertionError, match=f"{way.task}, {way.name}, is wrong by 0.1"):
        cmsis_dsp.check(way, found)


def test_folders_without_what_is_needed(tmp_path: Path) -> None:
    tree, core = tmp_path / "dsp", tmp_path / "core"
    for made, problem, hint in (
        (tree, f"{tree} has no Include/arm_math.h.", "Pass a checkout of CMSIS-DSP."),
        (
            tree / "Include" / "arm_math.h",
            f"{core} has no cmsis_compiler.h.",
            "Pass the folder CMSIS/Core/Include of a checkout of CMSIS.",
        ),
        (
            core / "cmsis_compiler.h",
            f"{tree} has no Source/BasicMathFunctions/arm_mult_f32.c.",
            "Pass a checkout of the commit of the table.",
        ),
    ):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch() if made.suffix else made.mkdir()
        with pytest.raises(ConfigError) as caught:
            cmsis_dsp.measure_cmsis(tree, core, default_board(), FLAGS)
        assert caught.value.problem == problem
        assert caught.value.hint == hint


def test_the_commit_is_that_of_the_checkout_itself(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    assert cmsis_dsp.commit_of(tmp_path / "missing") == ""
    named = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), (*named, "commit", "-q", "--allow-empty", "-m", "Begin")):
        subprocess.run(("git", "-C", str(tmp_path), *command), check=True)
    commit = cmsis_dsp.commit_of(tmp_path)
    assert re.fullmatch("[0-9a-f]{7}", commit)
    assert cmsis_dsp.commit_of(tmp_path / "inside") == ""


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["--cmsis-dsp", "a"], "--cmsis-dsp needs --cmsis-core"),
        (["--cmsis-dsp", "a", "--cmsis-core", "b"], "pass --cmsis-commit"),
        (["--tflm-source", "a"], "--tflm-source needs --tflm-commit"),
    ],
)
def test_options(
    given: list[str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["front_ends", *given])
    with pytest.raises(SystemExit):
        front_ends.main()
    assert missing in capsys.readouterr().err
