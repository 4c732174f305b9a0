"""Doctor says what is missing and the command that installs it."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from tflm_ext import doctor
from tflm_ext.cli import main
from tflm_ext.errors import StorageError
from tflm_ext.project import registry


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registry_reachable", lambda: False)


def test_missing_packages_and_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version

    def version(package: str) -> str:
        if package in ("tensorflow", "tf_keras"):
            raise importlib.metadata.PackageNotFoundError(package)
        return real(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    assert main(["doctor"]) == 5
    shown = capsys.readouterr().out
    for required, what, detail, remedy in (
        (True, "tensorflow", "not installed", f"{sys.executable} -m pip install tensorflow"),
        (False, "tf_keras", "not installed", f"{sys.executable} -m pip install tf_keras"),
        (
            True,
            "C compiler",
            "No C compiler was found (looked for $CC, cc, gcc, clang).",
            "Install one; on Debian and Ubuntu, run: sudo apt-get install gcc",
        ),
        (False, "qemu-system-arm", "not found", "sudo apt-get install qemu-system-arm"),
    ):
        mark = "MISSING" if required else "absent "
        lines = shown.splitlines()
        (at,) = (i for i, line in enumerate(lines) if line.startswith(f"{mark}  {what} "))
        assert detail in lines[at]
        assert lines[at + 1].strip() == remedy


def test_a_core_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise StorageError("PlatformIO's core folder cannot be written: full.", "Free the place.")

    monkeypatch.setattr(registry, "core_dir", fail)
    finding = list(doctor._platformio())[-1]
    assert not finding.ok
    assert finding.to_text().endswith(
        "PlatformIO's core folder cannot be written: full.  (builds and tests projects)\n"
        "         Free the place."
    )
