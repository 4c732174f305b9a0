"""What `make demo` runs: from training to a tested project, with a table at the end.

    python examples/demo.py [FOLDER]

FOLDER is build/demo by default; the project is FOLDER/digits. Training runs as a program of its
own, so what TensorFlow prints is shown only if it fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import tflm_ext
from tflm_ext.project.code_size import measure_code

HERE = Path(__file__).resolve().parent
console = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say what is being done, and note how long it took."""
    console.print(f"{name} ...")
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def train(folder: Path) -> None:
    """Run digits/train.py; its output appears only if it fails."""
    command = [sys.executable, str(HERE / "digits" / "train.py"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{result.stdout}{result.stderr}\nThe training failed.")


def table(
    result: tflm_ext.ExportResult, code_bytes: int | None, seconds: dict[str, float]
) -> Table:
    """Accuracy, memory and time."""
    found = json.loads((result.folder / "report.json").read_text("utf-8"))
    accuracy, flash = found["accuracy"], found["flash"]
    code = (
        f"{code_bytes:,} bytes"
        if code_bytes is not None
        else f"{flash['code_bytes']:,} bytes (estimate: arm-none-eabi-gcc is missing)"
    )
    shown = Table(show_header=False, title=f"digits, {accuracy['samples']} test images")
    for name, value in [
        ("accuracy, Keras float", f"{accuracy['float_model']:.3f}"),
        ("accuracy, int8 in TensorFlow Lite Micro", f"{accuracy['int8_tflm']:.3f}"),
        ("accuracy, the C as it ran", f"{accuracy['int8_c']:.3f}"),
        ("inputs compared byte for byte", f"{found['verification']['inputs']}, all equal"),
        ("flash, weights", f"{flash['weight_bytes']:,} bytes"),
        ("flash, code", code),
        ("RAM", f"{found['memory']['context_bytes']:,} bytes"),
    ]:
        shown.add_row(name, value)
    shown.add_section()
    for name, value in seconds.items():
        shown.add_row(name, f"{value:.1f} s")
    return shown


def main(folder: Path) -> None:
    """Train, export, build, test, and say what to do next."""
    seconds: dict[str, float] = {}
    project = folder / "digits"
    with step("training", seconds):
        train(folder)
    calibration, test = np.load(folder / "calibration.npz"), np.load(folder / "test.npz")
    with step("export and proof", seconds):
        result = tflm_ext.export(
            folder / "digits.keras",
            project,
            calibration_data=calibration["x"],
            test_data=(test["x"], test["y"]),
            labels=[str(digit) for digit in range(10)],
            overwrite=True,
        )
    with step("pio run -e native", seconds):
        result.build("native")
    with step("pio test -e native", seconds):
        result.test("native")
    code_bytes = None
    if shutil.which("arm-none-eabi-gcc"):
        code_bytes = measure_code(result.folder)
    console.print(table(result, code_bytes, seconds))
    command = Path(sys.executable).with_name("tflm-ext")
    tool = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
    console.print("Go on with:")
    console.print(f"  {tool} inspect {folder}/digits/model/digits.tflite")
    console.print(f"  {tool} verify {project}")
    console.print(f"  {tool} test {project} -e cortex_m4")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo"))
    except tflm_ext.TflmExtError as error:
        print(f"{error.problem}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
