"""Times of the command line on this computer, against what the project promises on two quiet cores.

    TFLM_EXT_MODELS=FOLDER python benchmarks/host.py

FOLDER holds vww_96_int8.tflite and kws_ref_model.tflite of MLPerf Tiny; rows whose model is not
there are left out. The best of three runs counts; the first would measure a cold disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 3


def best(command: list[str], runs: int = RUNS) -> float:
    """The shortest wall time of a command, in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main(models: Path) -> None:
    """Print one row per promise."""
    tool = [str(Path(sys.executable).with_name("tflm-ext"))]
    rows = [("--help", 0.5, [*tool, "--help"], None)]
    with tempfile.TemporaryDirectory() as folder:
        for name, limit, file, arguments in [
            ("inspect of vww", 1.5, "vww_96_int8.tflite", ["inspect"]),
            ("export of kws with its proof", 10.0, "kws_ref_model.tflite", ["export"]),
        ]:
            command = [*tool, *arguments, str(models / file)]
            if arguments == ["export"]:
                command += ["-o", f"{folder}/kws", "--overwrite", "--quiet"]
            rows.append((name, limit, command, models / file))
        for name, limit, command, needed in rows:
            if needed is not None and not needed.exists():
                print(f"{name:32} left out: {needed.name} is not in {needed.parent}")
                continue
            seconds = best(command)
            print(f"{name:32} {seconds:6.2f} s, promised {limit:.1f} s")


if __name__ == "__main__":
    main(Path(os.environ.get("TFLM_EXT_MODELS", "models")))
