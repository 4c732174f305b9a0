"""What front ends and scores cost: measurements for choose-a-front-end.md and detect-events.md.

    python -m docs.front_ends

measures every front end of the pages on the emulated Cortex-M4, a few seconds each, and writes
docs/front_ends.csv, from which docs/generate.py fills their tables.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.bench import FLAGS
from tflm_ext import sense
from tflm_ext.bench.emulator import compiler_name
from tflm_ext.bench.pipeline import front_end, measure_pipeline
from tflm_ext.targets import default_board

FILE = Path(__file__).with_suffix(".csv")
_SOUND = sense.Microphone(16_000)
_FRAME = sense.Frames(512)
_MOTION = sense.Motion(100)
_SECOND = sense.Frames(128, hop=64)
_THREE = ("rms", "kurtosis", "crest")
_STEADY = (_SOUND, _FRAME, sense.LogMel(40, subtraction=None, pcan=None))
_ALARM = sense.Alarm(average=16, needed=3, of=5, quiet_seconds=60, on=3.0)

FRONT_ENDS: dict[str, dict[str, tuple[object, ...]]] = {
    "sound": {
        "LogMel(40)": (_SOUND, _FRAME, sense.LogMel(40)),
        "LogMel(40, subtraction=None, pcan=None)": (
            _SOUND,
            _FRAME,
            sense.LogMel(40, subtraction=None, pcan=None),
        ),
        "LogMel(40), MFCC(13), Zscore()": (
            _SOUND,
            _FRAME,
            sense.LogMel(40),
            sense.MFCC(13),
            sense.Zscore(),
        ),
        "Spectrum()": (_SOUND, _FRAME, sense.Spectrum()),
        'Spectrum(arithmetic="float32"), Zscore()': (
            _SOUND,
            _FRAME,
            sense.Spectrum(arithmetic="float32"),
            sense.Zscore(),
        ),
        "Bands(512, 8)": (_SOUND, _FRAME, sense.Bands(512, 8)),
        'Statistics("rms", "kurtosis", "crest"), Zscore()': (
            _SOUND,
            _FRAME,
            sense.Statistics(*_THREE),
            sense.Zscore(),
        ),
        "Raw()": (_SOUND, _FRAME, sense.Raw()),
    },
    "motion": {
        'Statistics("rms", "kurtosis", "crest"), Zscore()': (
            _MOTION,
            _SECOND,
            sense.Statistics(*_THREE),
            sense.Zscore(),
        ),
        "Bands(128, 8)": (_MOTION, _SECOND, sense.Bands(128, 8)),
        "Spectrum(128)": (_MOTION, _SECOND, sense.Spectrum(128)),
        "Raw()": (_MOTION, _SECOND, sense.Raw()),
    },
    "streams": {
        "HighPass(100)": (_SOUND, sense.HighPass(100), _FRAME, sense.Raw()),
        'HighPass(100, arithmetic="float32")': (
            _SOUND,
            sense.HighPass(100, arithmetic="float32"),
            _FRAME,
            sense.Raw(),
        ),
        "LowPass(1000, order=4)": (_SOUND, sense.LowPass(1000, order=4), _FRAME, sense.Raw()),
        "Decimate(2)": (_SOUND, sense.Decimate(2), sense.Frames(256), sense.Raw()),
        "Resample(8000, passband=0.9)": (
            _SOUND,
            sense.Resample(8000, passband=0.9),
            sense.Frames(256),
            sense.Raw(),
        ),
        "RemoveGravity()": (_MOTION, sense.RemoveGravity(), _SECOND, sense.Raw()),
    },
    "scores": {
        "Mahalanobis()": (*_STEADY, sense.Mahalanobis()),
        "Normal(learn_windows=600)": (*_STEADY, sense.Normal(learn_windows=600)),
        "KMeans(4)": (*_STEADY, sense.KMeans(4)),
        "KMeans(8)": (*_STEADY, sense.KMeans(8)),
        "KMeans(16)": (*_STEADY, sense.KMeans(16)),
    },
}
"""By table of a page and text of a row: source and stages."""


@dataclass(frozen=True)
class Row:
    """A measurement, as in the file.

    Attributes:
        sha256: of the pipeline.
        instructions, cycles: of a hop, all stages and the push; cycles are estimated.
        stage: of them, those of the stages before Frames, or of a score and the decision after it.
        ram: context without the ring of samples, bytes.
        flash: bytes.
    """

    table: str
    front_end: str
    sha256: str
    compiler: str
    instructions: int
    cycles: int
    stage: int
    ram: int
    flash: int


def pipeline(table: str, name: str) -> sense.Pipeline:
    """A pipeline of the page."""
    found = sense.Pipeline(*FRONT_ENDS[table][name], decide=_ALARM if table == "scores" else None)
    if found.is_fitted:
        return found
    noise = np.random.default_rng(0).integers(0, 4000, (50_000, found.source.spec.channels))
    return found.fitted(noise)


def samples(row: Row) -> int:
    """Values that come in with a hop, of all channels."""
    own = pipeline(row.table, row.front_end)
    return int(own.source.spec.rate / own.frame_rate) * own.source.spec.channels


def measure(table: str, name: str) -> Row:
    """Measure a front end of the page."""
    own = pipeline(table, name)
    found = measure_pipeline(*front_end("cost", own), own, default_board(), flags=FLAGS)
    of_stage = {"streams": found.stages[: len(own.stages) - 2], "scores": found.stages[-2:]}
    return Row(
        table,
        name,
        own.sha256,
        compiler_name(FLAGS),
        found.instructions,
        found.cycles or 0,
        sum(stage.instructions for stage in of_stage.get(table, ())),
        found.context_bytes - found.ring_bytes,
        found.flash_bytes,
    )


def read() -> list[Row]:
    """The measurements of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = ("table", "front_end", "sha256", "compiler")
    return [Row(**{k: v if k in texts else int(v) for k, v in row.items()}) for row in rows]


def main() -> None:
    """Measure all, and write the file."""
    names = [(table, name) for table, own in FRONT_ENDS.items() for name in own]
    rows = []
    for table, name in names:
        rows.append(measure(table, name))
        print(rows[-1], file=sys.stderr)
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(vars(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(row) for row in rows)


if __name__ == "__main__":
    main()
