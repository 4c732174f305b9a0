"""Regenerate platformio_projects/ from what is committed in examples/: models, vectors, recordings.

    python examples/regenerate.py [FOLDER]

FOLDER is platformio_projects by default. The result depends on the files there only, so that CI can
compare it with what is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import tflm_ext
from tflm_ext import sense

HERE = Path(__file__).resolve().parent
LABELS = {
    "digits": [str(digit) for digit in range(10)],
    "keyword": ["other", "start", "stop"],
    "vibration": ["healthy", "imbalance", "misalignment", "looseness", "bearing"],
}


def regenerate(folder: Path) -> None:
    """Export every example to FOLDER/<name>."""
    for name, labels in LABELS.items():
        data = HERE / name
        test = np.load(data / "test.npz")
        pipeline, calibration = None, None
        if (data / "pipeline.json").is_file():
            pipeline = sense.Pipeline.from_json((data / "pipeline.json").read_text("utf-8"))
            calibration = data / "words.wav"
        else:
            calibration = np.load(data / "calibration.npz")["x"]
        tflm_ext.export(
            data / f"{name}.tflite",
            folder / name,
            calibration_data=calibration,
            test_data=(test["x"], test["y"]),
            pipeline=pipeline,
            name=name,
            labels=labels,
            overwrite=True,
        )
        print(f"{folder / name} is written.")


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "platformio_projects")
