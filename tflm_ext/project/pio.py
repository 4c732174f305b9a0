"""Runs pio on a generated project, and parses its output.

`python -m tflm_ext.project.pio` prints the shell command that makes a plain `pio` work.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from tflm_ext.errors import ConfigError, ToolError
from tflm_ext.near import did_you_mean_file, unknown
from tflm_ext.programs import leash, start_program
from tflm_ext.project.pio_output import (
    TestCase,
    cases_of,
    raise_for_build,
    raise_for_limit,
    raise_for_test,
    sizes_of,
)
from tflm_ext.project.registry import core_dir, own_core_dir, registry_reachable
from tflm_ext.project.write import recover
from tflm_ext.scratch import scratch_folder
from tflm_ext.targets import Board

TIMEOUT_SECONDS = 3600.0  # the first build of TensorFlow Lite Micro takes many minutes

DEBIAN_PACKAGES = {
    "gcc": "build-essential",
    "g++": "build-essential",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "arm-none-eabi-g++": "gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "qemu-system-arm": "qemu-system-arm",
}

# PlatformIO moves a project's folders if these are set; we expect them in their default places.
_PROJECT_FOLDERS = tuple(
    f"PLATFORMIO_{name}_DIR"
    for name in ("WORKSPACE", "BUILD", "LIBDEPS", "SRC", "INCLUDE", "LIB", "TEST", "BOARDS", "DATA")
)
_CORE_FOLDERS = tuple(
    f"PLATFORMIO_{name}_DIR" for name in ("PLATFORMS", "PACKAGES", "GLOBALLIB", "CACHE")
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Result of `pio run`.

    Attributes:
        environment: its name in platformio.ini.
        program: the linked program.
        flash_bytes, ram_bytes: of the whole image, .text + .data and .data + .bss; None for the
            host, where they are meaningless.
        seconds: wall time.
    """

    environment: str
    program: Path
    flash_bytes: int | None
    ram_bytes: int | None
    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class TestResult:
    """Result of `pio test`; `failed` is always 0, because failures are raised as errors."""

    __test__ = False

    environment: str
    passed: int
    failed: int
    cases: tuple[TestCase, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"<TestResult of {self.environment}: {self.passed} passed in {self.seconds:.1f} s>"


def pio_command() -> tuple[str, ...]:
    """Return the command that runs the PlatformIO of our own Python interpreter.

    Raises:
        ToolError: it is not installed.
    """
    if importlib.util.find_spec("platformio") is None:
        raise ToolError(
            "PlatformIO is not installed.", f"Run: {sys.executable} -m pip install platformio"
        )
    return (sys.executable, "-m", "platformio")


def pio_environment() -> dict[str, str]:
    """Return the environment variables for pio: its core folder, no telemetry, plain text."""
    core = core_dir()
    dropped = _PROJECT_FOLDERS + (_CORE_FOLDERS if core == own_core_dir() else ())
    return {name: value for name, value in os.environ.items() if name not in dropped} | {
        "PLATFORMIO_CORE_DIR": str(core),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "TFLM_EXT_REGISTRY": "1" if registry_reachable() else "0",
        "LC_ALL": "C.UTF-8",
    }


def shell_line() -> str:
    """Return the shell command that makes a plain `pio` work, for `tflm-ext doctor`."""
    line = f"export PLATFORMIO_CORE_DIR={shlex.quote(str(core_dir()))}"
    scripts = sysconfig.get_path("scripts")
    if shutil.which("pio") is None and shutil.which("pio", path=scripts):
        line += f' PATH="$PATH":{shlex.quote(scripts)}'  # our environment is not active
    return line


def environments(project: Path) -> dict[str, dict[str, str]]:
    """Return the environments in a project's platformio.ini, with their options as text.

    Raises:
        ConfigError: the file is missing, or cannot be parsed.
    """
    ini = project / "platformio.ini"
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(" ;", "\t;"))
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = "" if os.path.isdir(project) else did_you_mean_file(project)
        raise ConfigError(
            f"{project} has no platformio.ini.",
            f"{near}Pass the folder that tflm-ext export wrote.",
        ) from None
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(
            f"{ini} cannot be read: {first}", "Correct the file, or export the model again."
        ) from error
    return {
        section.removeprefix("env:"): dict(parser.items(section))
        for section in parser.sections()
        if section.startswith("env:")
    }


def upload_command(project: Path, board: Board) -> str | None:
    """Return the command that uploads the firmware; None if no environment is for the board."""
    try:
        known = environments(project)
    except ConfigError:
        return None
    for name, options in known.items():
        if options.get("board") == board.platformio_board:
            return shlex.join(("pio", "run", "-d", str(project), "-e", name, "-t", "upload"))
    return None


def run(
    project: str | os.PathLike[str],
    environment: str = "native",
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> BuildResult:
    """Build one environment of a project with `pio run`.

    Raises:
        ConfigError: the folder is not a project, or its platformio.ini lacks the environment.
        BudgetError: the program does not fit into the board's memory.
        ToolError: a tool is missing, or the build failed.
    """
    folder = Path(project).resolve()
    if os.path.isdir(folder):
        recover(folder)  # after an export that was killed
    _check_environment(folder, environment)
    started = time.monotonic()
    arguments = ("run", "-d", str(folder), "-e", environment)
    status, output = _call(folder, arguments, timeout_seconds)
    raise_for_build(status, output, arguments, environment)
    sizes = sizes_of(output)
    return BuildResult(
        environment=environment,
        program=_program(folder, environment),
        flash_bytes=sizes.get("Flash"),
        ram_bytes=sizes.get("RAM"),
        seconds=time.monotonic() - started,
    )


def test(
    project: str | os.PathLike[str],
    environment: str = "native",  # noqa: PT028 - no test of pytest's
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,  # noqa: PT028
) -> TestResult:
    """Build and run the tests of one environment with `pio test`.

    Raises:
        VerificationError: a test failed, a sanitizer reported an error, or the program crashed.
        ConfigError, BudgetError, ToolError: as in `run`.
    """
    folder = Path(project).resolve()
    if os.path.isdir(folder):
        recover(folder)  # after an export that was killed
    _check_environment(folder, environment)
    started = time.monotonic()
    with scratch_folder() as scratch:
        report = scratch / "report.json"
        arguments = ("test", "-d", str(folder), "-e", environment, "-v")
        status, output = _call(
            folder, (*arguments, "--json-output-path", str(report)), timeout_seconds
        )
        cases = cases_of(report, environment)
    if status != 0:
        raise_for_limit(status, output, arguments, environment)
    raise_for_test(cases, output, environment)
    raise_for_build(status, output, arguments, environment)
    passed = sum(case.status == "PASSED" for case in cases)
    if not passed:
        raise ToolError(
            f"pio test ran no tests in {environment}.",
            f"To see why, run: cd {shlex.quote(str(folder))} && pio test -e {environment} -vvv",
            command=arguments,
            output=output,
        )
    return TestResult(environment, passed, 0, cases, time.monotonic() - started)


def _check_environment(project: Path, environment: str) -> None:
    """Raise errors that are certain before pio is started."""
    known = environments(project)
    if environment not in known:
        raise unknown(f"platformio.ini has no environment {environment!r}.", environment, known)
    if "$" in str(project):
        raise ConfigError(
            f"PlatformIO cannot build in {project}: it treats $ as the start of a variable.",
            "Move the project to a folder without $ in its path.",
        )
    platform = known[environment].get("platform", "")
    if platform == "native":
        require_programs("gcc", "g++")
    elif "platforms/tflm_ext_" in platform:
        require_programs("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
    elif not registry_reachable() and not _is_installed(platform):
        raise ToolError(
            f"PlatformIO's platform {platform} is not installed, and its registry cannot be "
            "reached.",
            "Connect to the internet and try again, or use the emulated core's environment.",
        )


def _is_installed(platform: str) -> bool:
    """Whether pio finds a platform without its registry, judging by folder names."""
    name = re.fullmatch(r"(?:[\w-]+/)?([\w-]+)\s*(?:@.*)?", platform)
    return name is None or any(core_dir().glob(f"platforms/{name[1]}*"))


def require_programs(*programs: str) -> None:
    """Require programs of DEBIAN_PACKAGES on the PATH.

    Raises:
        ToolError: one is missing.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(dict.fromkeys(p for m in missing for p in DEBIAN_PACKAGES[m].split()))
        raise ToolError(
            f"{' and '.join(missing)} could not be found on the PATH.",
            f"Run: sudo apt-get install {packages}",
        )


def _call(project: Path, arguments: tuple[str, ...], seconds: float) -> tuple[int, str]:
    """Run pio, and return its exit status and its output."""
    command = (*pio_command(), *arguments)
    environment = pio_environment()
    _renew_links(project, Path(environment["PLATFORMIO_CORE_DIR"]))
    with start_program(
        leash(command),
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            # On timeout or Ctrl-C, this also ends compilers and QEMU.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ToolError(
                    f"pio {arguments[0]} did not finish within {seconds:.0f} s.",
                    "Run pio in the project's folder to see where it hangs.",
                    command=command,
                    output=output,
                ) from None
            raise
    return process.returncode, _ANSI.sub("", output)


def _renew_links(project: Path, core: Path) -> None:
    """Remove links to the emulated core's platform that do not lead into this project.

    pio keeps one link per name, and follows it even if its target is empty. It recreates missing
    links.
    """
    for link in core.glob("platforms/tflm_ext_*.pio-link"):
        own = project / "platforms" / link.stem
        try:
            data = json.loads(link.read_text(encoding="utf-8"))
            target = Path(data["cwd"], data["spec"]["uri"].removeprefix("symlink://"))
        except FileNotFoundError:
            continue  # another pio removed it
        except (ValueError, KeyError, TypeError, AttributeError):
            target = None
        alive = target is not None and (target / "platform.json").is_file()
        if not alive or (own.is_dir() and target != own):
            link.unlink(missing_ok=True)


def _program(project: Path, environment: str) -> Path:
    build = project / ".pio" / "build" / environment
    for name in ("firmware.elf", "program"):
        if (build / name).is_file():
            return build / name
    raise ToolError(
        f"pio run -e {environment} succeeded, but there is no program in {build}.",
        "Remove build_dir and PROGNAME from platformio.ini, or export the model again.",
    )


if __name__ == "__main__":
    print(shell_line())
