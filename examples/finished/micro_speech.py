"""Use a model that others trained after its front end: "yes" and "no" by TensorFlow Lite Micro.

    python examples/finished/micro_speech.py micro_speech_quantized.tflite yes.wav ... [-o FOLDER]

The model is that of TFLM's example micro_speech. It was trained with TFLM's signal library, which
LogMel computes bit for bit, on one second of sound. Its input calls the same bytes by a slightly
different scale, so the pipeline is told which one.

Exports a project with the pipeline to FOLDER, by default build/micro_speech, and prints what the
device would say about each recording (16,000 samples per second, mono, one second or more).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tflm_ext
from tflm_ext import sense

LABELS = ["silence", "unknown", "yes", "no"]
PIPELINE = sense.Pipeline(
    sense.Microphone(16_000),
    sense.Frames(480, hop=320),  # 30 ms, a new one every 20 ms
    sense.LogMel(40),
    sense.Stack(49, every=6),  # an inference every 120 ms, which this core can do
    decide=sense.Detect(average=1, needed=1, of=1, quiet_seconds=1, on=0.7, background=0),
    quantization=(0.10171568393707275, -128),
)


def export(model: Path, recordings: list[Path], folder: Path) -> tflm_ext.ExportResult:
    """Return the project of the model after its front end, which is proven on the recordings."""
    return tflm_ext.export(
        model,
        folder,
        calibration_data=recordings,
        pipeline=PIPELINE,
        name="micro_speech",
        labels=LABELS,
        overwrite=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/micro_speech"))
    given = parser.parse_args()
    result = export(given.model, given.recordings, given.output)
    print(result.report)
    for path in given.recordings:
        found = result.replay(path)
        for event in found.events:
            print(f"{path.name}: {LABELS[event.label]}, {event.score:.3f}")
        if not found.events:
            print(f"{path.name}: nothing")


if __name__ == "__main__":
    main()
