"""What `make demo` runs: from training to a tested project, with a table at the end.

    python examples/demo.py [FOLDER]

FOLDER is build/demo by default; the projects are FOLDER/digits, of the model as it was trained, and
FOLDER/compressed. Training and compression run as separate programs, so what TensorFlow prints is
shown only if one fails.
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
from tflm_ext.bench import bench

HERE = Path(__file__).resolve().parent
MEASURING = ("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")  # programs
console = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say what is being done, and note how long it took."""
    console.print(f"{name} ...")
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def run(*command: str | Path) -> None:
    """Run a program; its output appears only if it fails."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{result.stdout}{result.stderr}\n{command[1]} failed.")


def export(model: Path, project: Path) -> tflm_ext.ExportResult:
    """Export with the data next to the model."""
    calibration, test = (np.load(model.with_name(f"{n}.npz")) for n in ("calibration", "test"))
    return tflm_ext.export(
        model,
        project,
        calibration_data=calibration["x"],
        test_data=(test["x"], test["y"]),
        labels=[str(digit) for digit in range(10)],
        overwrite=True,
    )


def table(results: dict[str, tflm_ext.ExportResult]) -> Table:
    """Accuracy and sizes: float, then every exported project by the name of its row."""
    reports = {
        name: json.loads((result.folder / "report.json").read_text("utf-8"))
        for name, result in results.items()
    }
    first = next(iter(reports.values()))
    shown = Table(title=f"digits, {first['accuracy']['samples']} test images")
    measured = all(map(shutil.which, MEASURING))
    code = "code B" if measured else "code B, estimate"
    for column in ("", "accuracy", "MACs", "weights B", code, "RAM B"):
        shown.add_column(column, justify="right" if column else "left")
    macs = f"{first['model']['macs']:,}"
    shown.add_row("float", f"{first['accuracy']['float_model']:.3f}", macs)
    for name, found in reports.items():
        code_bytes = found["flash"]["code_bytes"]
        if measured:
            code_bytes = bench(results[name].folder).code_bytes
        shown.add_row(
            name,
            f"{found['accuracy']['int8_c']:.3f}",
            f"{found['model']['macs']:,}",
            f"{found['flash']['weight_bytes']:,}",
            f"{code_bytes:,}",
            f"{found['memory']['context_bytes']:,}",
        )
    return shown


def main(folder: Path) -> None:
    """Train, compress, export, build, test, and say what to do next."""
    seconds: dict[str, float] = {}
    tool = Path(sys.executable).with_name("tflm-ext")
    model, small = folder / "digits.keras", folder / "compressed.keras"
    with step("training", seconds):
        run(sys.executable, HERE / "digits" / "train.py", folder)
    with step("compression", seconds):
        data = ["--data", folder / "train.npz", "--validation", folder / "validation.npz"]
        run(tool, "compress", model, *data, "--recipe", "fast", "-o", small)
    with step("export and verify, as trained", seconds):
        whole = export(model, folder / "digits")
    with step("export and verify, compressed", seconds):
        result = export(small, folder / "compressed")
    with step("pio run -e native", seconds):
        result.build("native")
    with step("pio test -e native", seconds):
        result.test("native")
    console.print(table({"int8": whole, "compressed int8": result}))
    vectors = [exported.report.vectors for exported in (whole, result)]
    console.print(f"As C and in TensorFlow Lite Micro, {sum(vectors)} inputs gave the same bytes.")
    for name, value in seconds.items():
        console.print(f"{value:6.1f} s  {name}")
    shown = tool.relative_to(Path.cwd()) if tool.is_relative_to(Path.cwd()) else tool
    console.print("Next steps:")
    console.print(f"  {shown} inspect {folder}/compressed/model/compressed.tflite")
    console.print(f"  {shown} verify {folder}/compressed")
    console.print(f"  {shown} test {folder}/compressed -e cortex_m4")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo"))
    except tflm_ext.TflmExtError as error:
        print(f"{error.problem}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
