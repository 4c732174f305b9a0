"""Running pio on a generated project, and reading what it says.

`python -m tflm_ext.project.pio` prints the line that makes a plain `pio` work in this shell.
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
from typing import Any

from tflm_ext.errors import BudgetError, ConfigError, ToolError, VerificationError
from tflm_ext.programs import leash, limit_error, start_program
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

# PlatformIO moves a project's folders when these are set; we look where its defaults are.
_PROJECT_FOLDERS = tuple(
    f"PLATFORMIO_{name}_DIR"
    for name in ("WORKSPACE", "BUILD", "LIBDEPS", "SRC", "INCLUDE", "LIB", "TEST", "BOARDS", "DATA")
)
_CORE_FOLDERS = tuple(
    f"PLATFORMIO_{name}_DIR" for name in ("PLATFORMS", "PACKAGES", "GLOBALLIB", "CACHE")
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_SIZE = re.compile(r"^(RAM|Flash): .*\(used (\d+) bytes from (\d+) bytes\)", re.MULTILINE)
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes?")
_MISMATCH = re.compile(r"Element (\d+) Expected (-?\d+) Was (-?\d+)")
# What the sanitizers and the fault handler of the emulated core print.
_REPORT = re.compile(
    r"^.*(?:: runtime error: |ERROR: AddressSanitizer|core fault: ).*$", re.MULTILINE
)
_CRASH = re.compile(r"Program received signal SIG(?:SEGV|ABRT|BUS|ILL|FPE)\b.*")
# What pio says besides the message of a compiler.
_DIAGNOSTIC = re.compile(r"^.*\b(?:error:|Error:|undefined reference).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What `pio run` made.

    Attributes:
        environment: its name in platformio.ini.
        program: the linked program.
        flash_bytes, ram_bytes: of the whole image, .text + .data and .data + .bss; None on the
            host, where they mean nothing.
        seconds: wall time.
    """

    environment: str
    program: Path
    flash_bytes: int | None
    ram_bytes: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class TestCase:
    """One Unity test: status is "PASSED", "FAILED", "SKIPPED" or "ERRORED"."""

    __test__ = False  # no test of pytest's

    name: str
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """What `pio test` found; `failed` is 0, for a failure is raised."""

    __test__ = False

    environment: str
    passed: int
    failed: int
    cases: tuple[TestCase, ...]
    seconds: float


def pio_command() -> tuple[str, ...]:
    """The PlatformIO of our own interpreter.

    Raises:
        ToolError: it is not installed.
    """
    if importlib.util.find_spec("platformio") is None:
        raise ToolError(
            "PlatformIO is not installed.", f"Run: {sys.executable} -m pip install platformio"
        )
    return (sys.executable, "-m", "platformio")


def pio_environment() -> dict[str, str]:
    """The variables that pio is run with: its core folder, no telemetry, plain text."""
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
    """What a user types to make a plain `pio` work in a shell, for `tflm-ext doctor`."""
    line = f"export PLATFORMIO_CORE_DIR={shlex.quote(str(core_dir()))}"
    scripts = sysconfig.get_path("scripts")
    if shutil.which("pio") is None and shutil.which("pio", path=scripts):
        line += f' PATH="$PATH":{shlex.quote(scripts)}'  # our environment is not active
    return line


def environments(project: Path) -> dict[str, dict[str, str]]:
    """The environments of a project's platformio.ini and their options as they stand there.

    Raises:
        ConfigError: there is no such file, or it is not one of PlatformIO's.
    """
    ini = project / "platformio.ini"
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(" ;", "\t;"))
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{project} has no platformio.ini.", "Name the folder that tflm-ext export wrote."
        ) from None
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(
            f"{ini} cannot be read: {first}", "Correct it, or export anew."
        ) from error
    return {
        section.removeprefix("env:"): dict(parser.items(section))
        for section in parser.sections()
        if section.startswith("env:")
    }


def upload_command(project: Path, board: Board) -> str | None:
    """What programs the board with a project's firmware; None if no environment is for it."""
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
        ConfigError: no project, or no such environment in its platformio.ini.
        BudgetError: it does not fit into the memory of the board.
        ToolError: a tool is missing, or the build failed.
    """
    folder = Path(project).resolve()
    if folder.is_dir():
        recover(folder)  # of an export that was killed
    _check_environment(folder, environment)
    started = time.monotonic()
    arguments = ("run", "-d", str(folder), "-e", environment)
    status, output = _call(folder, arguments, timeout_seconds)
    _raise_for_build(status, output, arguments, environment)
    sizes = {match[1]: int(match[2]) for match in _SIZE.finditer(output)}
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
        VerificationError: a test failed, a sanitizer complained, or the program crashed.
        ConfigError, BudgetError, ToolError: as in `run`.
    """
    folder = Path(project).resolve()
    if folder.is_dir():
        recover(folder)  # of an export that was killed
    _check_environment(folder, environment)
    started = time.monotonic()
    with scratch_folder() as scratch:
        report = scratch / "report.json"
        arguments = ("test", "-d", str(folder), "-e", environment, "-v")
        status, output = _call(
            folder, (*arguments, "--json-output-path", str(report)), timeout_seconds
        )
        cases = _cases(report, environment)
    if status != 0:
        _raise_for_limit(status, output, arguments, environment)
    _raise_for_test(cases, output, environment)
    _raise_for_build(status, output, arguments, environment)
    passed = sum(case.status == "PASSED" for case in cases)
    if not passed:
        raise ToolError(
            f"pio test ran no test in {environment}.",
            f"Run it by hand to see why: cd {shlex.quote(str(folder))} && pio test -e "
            f"{environment} -vvv",
            command=arguments,
            output=output,
        )
    return TestResult(environment, passed, 0, cases, time.monotonic() - started)


def _check_environment(project: Path, environment: str) -> None:
    """What can be known to fail before pio is started."""
    known = environments(project)
    if environment not in known:
        raise ConfigError(
            f"platformio.ini has no environment {environment!r}.",
            f"Choose one of: {', '.join(known)}.",
        )
    if "$" in str(project):
        raise ConfigError(
            f"PlatformIO cannot build in {project}: it takes $ for a variable.",
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
            "Try again with a connection to the internet, or use the emulated core's environment.",
        )


def _is_installed(platform: str) -> bool:
    """Whether pio finds a platform without its registry, as far as the folder's name tells."""
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
            f"{' and '.join(missing)} cannot be found on the PATH.",
            f"Run: sudo apt-get install {packages}",
        )


def _call(project: Path, arguments: tuple[str, ...], seconds: float) -> tuple[int, str]:
    """Run pio; its exit status and all that it printed."""
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
            # Compilers and QEMU, too, when time is up or at Ctrl-C.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ToolError(
                    f"pio {arguments[0]} did not end within {seconds:.0f} s.",
                    "Run it by hand to see where it stays.",
                    command=command,
                    output=output,
                ) from None
            raise
    return process.returncode, _ANSI.sub("", output)


def _renew_links(project: Path, core: Path) -> None:
    """Remove links to the emulated core's platform that lead elsewhere than into this project.

    pio keeps one link per name and follows it even when the folder has been emptied. It makes a
    missing one anew.
    """
    for link in core.glob("platforms/tflm_ext_*.pio-link"):
        own = project / "platforms" / link.stem
        try:
            data = json.loads(link.read_text(encoding="utf-8"))
            target = Path(data["cwd"], data["spec"]["uri"].removeprefix("symlink://"))
        except FileNotFoundError:
            continue  # another pio was faster
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
        "Remove build_dir and PROGNAME from platformio.ini, or export anew.",
    )


def _cases(report: Path, environment: str) -> tuple[TestCase, ...]:
    """The tests of pio's JSON report; none when pio did not get as far."""
    try:
        data: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(
        TestCase(
            name=case["name"],
            status=case["status"],
            message=case["message"] or case["exception"] or "",
        )
        for suite in data["test_suites"]
        if suite["env_name"] == environment
        for case in suite["test_cases"]
    )


def _raise_for_test(cases: tuple[TestCase, ...], output: str, environment: str) -> None:
    report = _REPORT.search(output)
    if report is not None:
        raise VerificationError(
            f"The tests of {environment} were stopped: {report[0].strip()}",
            "Export the model anew; if it happens again, report it with the .tflite.",
        )
    failed = [case for case in cases if case.status == "FAILED"]
    if failed:
        numbers = _MISMATCH.search(failed[0].message)
        index, expected, got = map(int, numbers.groups()) if numbers else (None, None, None)
        raise VerificationError(
            f"{len(failed)} of {len(cases)} tests failed in {environment}; "
            f"{failed[0].name}: {failed[0].message}",
            "Run tflm-ext verify to see which operator differs, or export the model anew.",
            index=index,
            expected=expected,
            got=got,
        )
    crash = _CRASH.search(output)
    if crash is not None:
        raise VerificationError(
            f"The test program of {environment} crashed: {crash[0].strip()}",
            "Export the model anew; if it happens again, report it with the .tflite.",
        )


def _raise_for_limit(
    status: int, output: str, arguments: tuple[str, ...], environment: str
) -> None:
    """What this computer did not allow says nothing about the tests."""
    limit = limit_error(f"pio {arguments[0]} -e {environment}", status, output, ("pio", *arguments))
    if limit is not None:
        raise limit


def _raise_for_build(
    status: int, output: str, arguments: tuple[str, ...], environment: str
) -> None:
    overflows = dict.fromkeys(_OVERFLOW.findall(output))
    if overflows:
        excess = " and ".join(f"{region} by {size} bytes" for region, size in overflows)
        raise BudgetError(
            f"The program of {environment} does not fit: it exceeds {excess}.",
            "Make the model smaller (fewer channels or layers), or export with optimize='size'.",
        )
    if status != 0:
        _raise_for_limit(status, output, arguments, environment)
        first = _DIAGNOSTIC.search(output)
        raise ToolError(
            f"pio {arguments[0]} -e {environment} failed"
            + (f": {first[0].strip()}" if first else "."),
            "Its output names the cause; tflm-ext doctor checks the tools.",
            command=("pio", *arguments),
            output=output,
        )


if __name__ == "__main__":
    print(shell_line())
