"""What is installed, what is missing, and the exact command that installs it."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tflm_ext.document import declared, entry, to_json
from tflm_ext.errors import TflmExtError, ToolError
from tflm_ext.project import registry
from tflm_ext.scratch import scratch_folder
from tflm_ext.verify.host import find_compiler

_PACKAGES = (
    ("tensorflow", True, "converts Keras models"),
    ("keras", True, "converts Keras models"),
    ("tf_keras", False, "converts models of tf_keras"),
    ("tensorflow-model-optimization", False, "trains tf_keras models quantisation-aware"),
    ("tflite-micro", True, "the reference that the C is compared with"),
    ("platformio", True, "builds and tests projects"),
    ("scons", True, "builds projects when PlatformIO's registry is not reachable"),
    ("numpy", True, "computes the references of all operators"),
    ("flatbuffers", True, "reads models"),
    ("h5py", True, "reads .h5 models"),
    ("jinja2", True, "generates projects"),
    ("rich", True, "shows progress and tables"),
    ("pyserial", False, "communicates with boards"),
)
_PROGRAMS = (
    (
        "arm-none-eabi-gcc",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "builds for the emulated cores",
    ),
    ("arm-none-eabi-g++", "libstdc++-arm-none-eabi-newlib", "builds for the emulated cores"),
    ("qemu-system-arm", "qemu-system-arm", "runs the emulated cores"),
)

_PYTHON = shlex.quote(sys.executable)


@declared("finding")
@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked.
        ok: whether it is present and works.
        required: whether export needs it.
        detail: its version, or the problem.
        purpose: what it is needed for.
        remedy: the command that fixes the problem, "" if nothing needs to be done.
        place: where it was found on this computer; shown in text, but not in JSON.
    """

    what: str = entry()
    ok: bool = entry()
    required: bool = entry()
    detail: str = entry()
    purpose: str = entry()
    remedy: str = entry(of=lambda found: found.remedy.replace(_PYTHON, "python"), default="")
    place: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return its part of report.schema.json."""
        return to_json(Finding, self)

    def to_text(self) -> str:
        mark = "ok     " if self.ok else "MISSING" if self.required else "absent "
        found = " at ".join(filter(None, (self.detail, self.place)))
        text = f"{mark}  {self.what:<30} {found}  ({self.purpose})"
        return f"{text}\n         {self.remedy}" if self.remedy else text


def diagnose() -> tuple[Finding, ...]:
    """Check everything that tflm_ext uses. Takes a few seconds; does not import TensorFlow."""
    return (
        _platform(),
        _python(),
        *_packages(),
        _compiler(),
        *_programs(),
        *_platformio(),
    )


def _platform() -> Finding:
    found = f"{platform.system()} {platform.machine()}"
    return Finding(
        what="platform",
        ok=found == "Linux x86_64",
        required=True,
        detail=found,
        purpose="TensorFlow Lite Micro's Python package exists for Linux x86_64 only",
        remedy=""
        if found == "Linux x86_64"
        else "On Windows, use WSL2; elsewhere, build the container that the README describes.",
    )


def _python() -> Finding:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding(
        what="Python",
        ok=ok,
        required=True,
        detail=platform.python_version(),
        purpose="3.11 to 3.13 are supported",
        remedy="" if ok else "Create an environment with Python 3.11, 3.12 or 3.13.",
    )


def _packages() -> Iterator[Finding]:
    for package, required, purpose in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            remedy = f"{_PYTHON} -m pip install {package}"
            yield Finding(package, False, required, "not installed", purpose, remedy)
        else:
            yield Finding(package, True, required, version, purpose)


def _compiler() -> Finding:
    purpose = "compiles the C of every export, to compare it with TFLM"
    try:
        compiler = find_compiler()
    except ToolError as error:
        return Finding("C compiler", False, True, error.problem, purpose, error.hint)
    with scratch_folder() as folder:
        source = folder / "main.c"
        source.write_text("int main(void) { return 0; }\n", "utf-8")
        done = subprocess.run(
            (
                *(compiler, "-fsanitize=address,undefined"),
                *(str(source), "-o", str(folder / "main")),
            ),
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode != 0:
        return Finding(
            "C compiler",
            False,
            True,
            f"{compiler} cannot link the address and undefined-behaviour sanitizers",
            purpose,
            "sudo apt-get install gcc libc6-dev",
        )
    place = shutil.which(compiler) or compiler
    return Finding("C compiler", True, True, _version(place), purpose, place=place)


def _programs() -> Iterator[Finding]:
    for program, packages, purpose in _PROGRAMS:
        path = shutil.which(program)
        if path is None:
            remedy = f"sudo apt-get install {packages}"
            yield Finding(program, False, False, "not found", purpose, remedy)
        else:
            yield Finding(program, True, False, _version(path), purpose, place=path)


def _version(program: str) -> str:
    """Return the first line of a program's output for --version."""
    done = subprocess.run(
        (program, "--version"), capture_output=True, text=True, errors="replace", timeout=60
    )
    return next(iter(done.stdout.splitlines()), "version unknown")


def _platformio() -> Iterator[Finding]:
    reachable = registry.registry_reachable()
    yield Finding(
        "PlatformIO's registry",
        reachable,
        False,
        "reachable" if reachable else "not reachable",
        "provides the packages for boards; host and emulated core do not need it",
    )
    what, purpose = "PlatformIO's core folder", "to call pio yourself, run the line below first"
    try:
        core = registry.core_dir()
    except TflmExtError as error:
        purpose = "builds and tests projects"
        yield Finding(what, False, False, error.problem, purpose, error.hint)
        return
    yield Finding(
        what,
        True,
        False,
        "tflm_ext's own" if core == registry.own_core_dir() else "PlatformIO's default",
        purpose,
        f'eval "$({_PYTHON} -m tflm_ext.project.pio)"',
        str(core),
    )
