"""Gives hostile files to the converter's child, one after another, in one process.

    python -m tests.hostile.loader FOLDER SECRET MARKER

Prints JSON: by name, what each was refused with, and which frameworks were imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.hostile.files import HOSTILE
from tests.hostile.makers import Baits
from tflm_ext.convert.files import kind_of
from tflm_ext.convert.worker import Converter, _limit_memory
from tflm_ext.errors import TflmExtError


def main(folder: Path, baits: Baits) -> None:
    """Make and load every file."""
    _limit_memory()
    said = {}
    for name, (make, _) in HOSTILE.items():
        place = folder / name
        place.mkdir()
        path = make(place, baits)
        request = {"path": str(path), "kind": kind_of(path), "folder": str(place / "work" / "m")}
        progress: list[str] = []
        try:
            Converter().load(request, progress.append)
            said[name] = "loaded"
        except TflmExtError as error:
            said[name] = f"{type(error).__name__}: {error.problem}"
        if progress:
            said[name] += f" (after {progress})"
    frameworks = [
        m for m in ("keras", "tensorflow", "tf_keras", "torch", "jax") if m in sys.modules
    ]
    print(json.dumps({"said": said, "imported": frameworks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Baits(Path(sys.argv[2]), Path(sys.argv[3])))
