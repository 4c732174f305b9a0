"""Regenerate platformio_projects/ from what is committed in examples/: models and vectors.

    python examples/regenerate.py [FOLDER]

FOLDER is platformio_projects by default. The result depends on the .tflite and .npz files only, so
that CI can compare it with what is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import tflm_ext

HERE = Path(__file__).resolve().parent
LABELS = {
    "digits": [str(digit) for digit in range(10)],
    "vibration": ["healthy", "imbalance", "misalignment", "looseness", "bearing"],
}


def regenerate(folder: Path) -> None:
    """Export every example to FOLDER/<name>."""
    for name, labels in LABELS.items():
        data = HERE / name
        test = np.load(data / "test.npz")
        tflm_ext.export(
            data / f"{name}.tflite",
            folder / name,
            calibration_data=np.load(data / "calibration.npz")["x"],
            test_data=(test["x"], test["y"]),
            name=name,
            labels=labels,
            overwrite=True,
        )
        print(f"{folder / name} is written.")


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "platformio_projects")
