"""docs/how-to/use-a-pipeline-in-firmware.md: its C compiles and finds the events of NumPy."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.ir.rendered import write_files

PAGE = (ROOT / "docs/how-to/use-a-pipeline-in-firmware.md").read_text("utf-8")
LOOP, KEEP, WATCH, TWO = re.findall(r"^```c\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror", "-O2"]
PIECE = 160
RECORDING = """
#include <stdio.h>
#include <stdlib.h>

static int16_t piece[PIECE];

void report(uint32_t milliseconds, int32_t label, int32_t score)
{
    printf("%u %d %d\\n", milliseconds, label, score);
}

void wait_for_interrupt(void)
{
    const size_t count = fread(piece, sizeof piece[0], PIECE, stdin);
    if (count == 0U) {
        exit(0);
    }
    samples_arrived(piece, (uint32_t)count);
}

int main(void)
{
    run();
    return 1;
}
"""
LATE = """
#include <stdio.h>

void complain(uint32_t lost) { printf("lost %u\\n", lost); }

int main(void)
{
    static fan_sense_t fan;
    static const int16_t silence[FAN_SENSE_RING + 7U];
    fan_event_t event;

    (void)fan_sense_init(&fan);
    fan_sense_push(&fan, silence, FAN_SENSE_RING + 7U);
    while (fan_sense_step(&fan, &event) != FAN_SENSE_WAITING) {
        watch(&event);
    }
    return 0;
}
"""
BOTH = """
#include <stdio.h>

int main(void)
{
    static int16_t samples[FAN_SENSE_RING];
    fan_event_t event;
    size_t count;

    (void)fan_sense_init(&left);
    (void)fan_sense_init(&right);
    while ((count = fread(samples, sizeof samples[0], 160U, stdin)) > 0U) {
        fan_sense_push(&right, samples, (uint32_t)count);
        printf("%d ", step_both(&event));
    }
    return 0;
}
"""

RESTART = """
#include <stdio.h>
#include <string.h>

static uint8_t flash[FAN_SENSE_SAVED_BYTES];
static uint32_t kept;

uint32_t read_kept(uint8_t *buffer, uint32_t size)
{
    memcpy(buffer, flash, size);
    return kept;
}

void keep(const uint8_t *buffer, uint32_t size)
{
    memcpy(flash, buffer, size);
    kept = size;
}

int main(void)
{
    static fan_sense_t fan;
    static int16_t samples[PIECE];
    fan_event_t event;
    size_t count;

    start(&fan);
    while ((count = fread(samples, sizeof samples[0], PIECE, stdin)) > 0U) {
        fan_sense_push(&fan, samples, (uint32_t)count);
        while (fan_sense_step(&fan, &event) != FAN_SENSE_WAITING) {
        }
    }
    stop(&fan);
    fwrite(flash, 1, kept, stdout);
    start(&fan); /* after a restart */
    stop(&fan);
    fwrite(flash, 1, kept, stdout);
    return 0;
}
"""


def fan() -> tuple[sense.Pipeline, np.ndarray]:
    """A pipeline with a decision, and a sound that becomes louder, twice."""
    random = np.random.default_rng(0)
    loudness = np.repeat([300, 900, 300, 900], 16_000)
    sound = np.rint(random.normal(0, 1, 64_000) * loudness).astype(np.int16)
    pipeline = sense.Pipeline(
        sense.Microphone(8000),
        sense.Frames(256, hop=400),
        sense.LogMel(16, high_hz=3900, subtraction=None, pcan=None),
        sense.Mahalanobis(),
        decide=sense.Alarm(average=4, needed=2, of=3, quiet_seconds=0.5, on=3.0, off=2.0),
    )
    return pipeline.fitted(sound[:16_000]), sound


def built(folder: Path, code: str, pipeline: sense.Pipeline | None = None) -> Path:
    """A program with the code of the page."""
    pipeline = pipeline or fan()[0]
    _, sources = front_end("fan", pipeline)
    write_files(sources, folder)
    (folder / "main.c").write_text(code, "utf-8")
    units = [file.path for file in sources if file.path.endswith(".c")]
    command = ["gcc", "-std=c99", *FLAGS, f"-DPIECE={PIECE}", "-I.", "main.c", *units]
    subprocess.run([*command, "-o", "program"], cwd=folder, check=True)
    return folder / "program"


def printed(program: Path, sound: np.ndarray) -> str:
    """What it prints for a sound on its standard input."""
    done = subprocess.run([program], input=sound.tobytes(), capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.tool("gcc")
def test_the_loop_reports_the_events_of_numpy(tmp_path: Path) -> None:
    pipeline, sound = fan()
    items = pipeline.run(pipeline.recording(sound), pipeline.start())[0][-1]
    (decide,) = pipeline.after(None)
    found = decide.run(items, decide.start())[0]
    windows = np.flatnonzero(found[:, 0])
    assert len(windows) == 2
    times = np.floor(pipeline.window_ends(len(items)) * 1000).astype(int)
    expected = [f"{times[w]} {found[w, 1]} {found[w, 2]}" for w in windows]
    assert printed(built(tmp_path, LOOP + RECORDING), sound).splitlines() == expected


@pytest.mark.tool("gcc")
def test_lost_samples_are_counted_once(tmp_path: Path) -> None:
    program = built(tmp_path, WATCH + LATE)
    assert printed(program, np.zeros(0, np.int16)) == "lost 7\n"


@pytest.mark.tool("gcc")
def test_one_of_two_contexts_has_the_events(tmp_path: Path) -> None:
    _, sound = fan()
    found = printed(built(tmp_path, TWO + BOTH), sound).split()
    assert set(found) == {"-1", "1"} and found.count("1") == 2


@pytest.mark.tool("gcc")
def test_what_was_learnt_outlasts_a_restart(tmp_path: Path) -> None:
    alarm, sound = fan()
    pipeline = alarm.with_(*alarm.stages[:-1], sense.Normal(learn_windows=20), decide=alarm.decide)
    _, states = pipeline.run(pipeline.recording(sound[:16_000]), pipeline.start())
    expected = pipeline.save(states)
    program = built(tmp_path, KEEP + RESTART, pipeline)
    done = subprocess.run(
        [program], input=sound[:16_000].tobytes(), capture_output=True, check=True
    )
    assert done.stdout == expected + expected
