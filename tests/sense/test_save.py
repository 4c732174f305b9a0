"""What a device has learnt is saved and loaded: C and Python write the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import write_files
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c

PIPELINE = sense.Pipeline(
    sense.Microphone(),
    sense.Frames(256),
    sense.LogMel(8, subtraction=None, pcan=None),
    sense.Normal(learn_windows=20, margin=None),
    decide=sense.Alarm(on=3.0),
)

# Reads a saved state and samples, and writes the status of loading, all scores, and the state.
_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ear_sense.h"
static ear_sense_t context;
int main(void)
{
    uint32_t size;
    int16_t samples[256];
    ear_event_t event;
    if (fread(&size, sizeof size, 1U, stdin) != 1U) {
        return 2;
    }
    uint8_t *saved = malloc(size + 1U);
    if (fread(saved, 1U, size, stdin) != size) {
        return 2;
    }
    (void)ear_sense_init(&context);
    const int32_t status = (size > 0U) ? (int32_t)ear_sense_load(&context, saved, size) : 0;
    (void)fwrite(&status, sizeof status, 1U, stdout);
    while (fread(samples, sizeof samples, 1U, stdin) == 1U) {
        ear_sense_push(&context, samples, 256U);
        (void)ear_sense_step(&context, &event);
        (void)fwrite(&event.score, sizeof event.score, 1U, stdout);
    }
    uint8_t *buffer = malloc(EAR_SENSE_SAVED_BYTES);
    if (ear_sense_save(&context, buffer, EAR_SENSE_SAVED_BYTES - 1U) != 0U) {
        return 3;
    }
    if (ear_sense_save(&context, buffer, EAR_SENSE_SAVED_BYTES) != EAR_SENSE_SAVED_BYTES) {
        return 3;
    }
    (void)fwrite(buffer, 1U, EAR_SENSE_SAVED_BYTES, stdout);
    free(buffer);
    free(saved);
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saving")
    _, sources = front_end("ear", PIPELINE)
    write_files(sources, folder)
    (folder / "main.c").write_text(_PROGRAM, "utf-8")
    options = ("-std=c99", "-O1", *SANITIZE, *WARNINGS, "-I", ".")
    compile_c((find_compiler(), *options, "main.c", "ear_sense.c", "-o", "main"), folder)
    return folder / "main"


def _sound(frames: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    loudness = 10 ** random.uniform(2, 3.5, frames).repeat(256)
    return random.normal(0, loudness).astype(np.int16)[:, np.newaxis]


def _run(program: Path, saved: bytes, samples: Any) -> tuple[int, Any, bytes]:
    data = np.uint32(len(saved)).tobytes() + saved + samples.tobytes()
    out = run_c((str(program),), data, 60.0)
    frames = len(samples) // 256
    numbers = np.frombuffer(out, "<i4", 1 + frames)
    return int(numbers[0]), numbers[1:], out[4 + 4 * frames :]


def _scores(pipeline: sense.Pipeline, samples: Any, states: Any) -> tuple[Any, Any]:
    outputs, states = pipeline.run(samples, states)
    return outputs[-1][:, 0], states


def test_the_device_goes_on_where_it_was(program: Path) -> None:
    first, second = _sound(30, 1), _sound(10, 2)
    expected, states = _scores(PIPELINE, first, PIPELINE.start())
    status, scores, saved = _run(program, b"", first)
    assert status == 0
    np.testing.assert_array_equal(scores, expected)
    assert saved == PIPELINE.save(states)
    # Only what is learnt is saved: the alarm, and the samples of a frame, begin again.
    again = PIPELINE.load(PIPELINE.start(), saved)
    expected, states = _scores(PIPELINE, second, again)
    status, scores, later = _run(program, saved, second)
    assert status == 0
    np.testing.assert_array_equal(scores, expected)
    assert later == PIPELINE.save(states) == saved  # it was frozen
    fresh, _ = _scores(PIPELINE, second, PIPELINE.start())
    assert not np.array_equal(fresh, expected)


def test_a_power_cut_at_any_byte_leaves_the_factory_values(program: Path) -> None:
    _, states = _scores(PIPELINE, _sound(30, 1), PIPELINE.start())
    saved, second = PIPELINE.save(states), _sound(4, 2)
    expected, _ = _scores(PIPELINE, second, PIPELINE.start())
    for cut in [*range(1, len(saved), 37), len(saved) - 1]:
        for torn in (saved[:cut], saved[:cut] + b"\xff" * (len(saved) - cut)):
            status, scores, _ = _run(program, torn, second)
            assert status == -4
            np.testing.assert_array_equal(scores, expected)
            with pytest.raises(ConfigError, match="damaged or incomplete"):
                PIPELINE.load(PIPELINE.start(), torn)


def test_what_other_stages_learnt_is_refused(program: Path) -> None:
    *stages, _ = PIPELINE.stages
    other = PIPELINE.with_(*stages, sense.Normal(learn_windows=21, margin=None))
    saved = other.save(other.start())
    assert _run(program, saved, _sound(2, 3))[0] == -4
    with pytest.raises(ConfigError, match="of another pipeline"):
        PIPELINE.load(PIPELINE.start(), saved)
    # A new threshold does not discard it.
    louder = PIPELINE.with_decision(sense.Alarm(on=9.0))
    assert louder.load(louder.start(), PIPELINE.save(PIPELINE.start()))
