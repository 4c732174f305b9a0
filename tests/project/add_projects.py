"""Export the projects of a release for tests/projects, one for each runtime.

    python -m tests.project.add_projects

They are written to tests/projects/<version>/<runtime> and never change afterwards:
test_older_projects.py verifies, inspects and exports them again with every later version.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import tflm_ext
from tests.models import image_net, recurrent_net

CORPUS = Path(__file__).resolve().parents[1] / "projects"
LABELS = ("no", "yes", "neither")


def add(folder: Path) -> None:
    """Export one small model for each runtime.

    Args:
        folder: new; gets one project for each runtime, named after it.
    """
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 1, (40, 6, 6, 2)), generator.integers(0, 3, 40)
    folder.mkdir(parents=True)
    for runtime, net, more in (
        ("compiled", image_net, {"test_data": (x, y), "labels": LABELS, "optimize": "size"}),
        ("tflm", recurrent_net, {}),
    ):
        model = folder / "net.tflite"
        model.write_bytes(net())
        tflm_ext.export(model, folder / runtime, name="net", runtime=runtime, **more)
        model.unlink()


if __name__ == "__main__":
    place = CORPUS / tflm_ext.__version__
    if place.exists():
        sys.exit(f"{place} exists: the projects of a version are exported once.")
    add(place)
    print(f"{place} is written. Commit it with the release.")
