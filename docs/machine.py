"""Follows docs/tutorial/machine.md in full, prints what its commands print, and takes its pictures.

    python -m docs.machine

Needs what the tutorial needs, and about six minutes. The figures on the page are those printed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.docs.test_tutorial import follow

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Write the pictures of the tutorial."""
    with tempfile.TemporaryDirectory() as folder:
        print(follow("machine.md", Path(folder), {}))
        for name in ("threshold", "evening"):
            shutil.copy(Path(folder, f"{name}.png"), IMAGES / f"machine-{name}.png")


if __name__ == "__main__":
    main()
