"""Streams that are closed or full, and signals: a fitting exit code, no traceback, nothing left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools import run_python

PROGRAM = f"{shlex.quote(sys.executable)} -m tflm_ext.cli"
COMMANDS = ("--help", "--version", "inspect net.tflite", "boards --json")


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        (">&-", "The output could not be read or written: Bad file descriptor."),
        ("> /dev/full", "The output could not be read or written: No space left on device."),
    ],
)
def test_output_that_cannot_be_written(
    model: Path, command: str, redirection: str, reason: str
) -> None:
    done = shell(model.parent, f"{PROGRAM} {command} {redirection}")
    assert done.returncode == 7
    assert done.stderr.splitlines()[0] == f"error: {reason}"
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("redirection", ["<&- 2>&-", "2> /dev/full"])
def test_other_streams_do_not_matter(model: Path, command: str, redirection: str) -> None:
    done = shell(model.parent, f"{PROGRAM} {command} {redirection}")
    assert done.returncode == 0
    assert len(done.stdout) > 10
    assert done.stderr == ""


@pytest.mark.parametrize("redirection", [">&- 2>&- <&-", "> /dev/full 2> /dev/full"])
def test_nobody_listens(model: Path, redirection: str) -> None:
    done = shell(model.parent, f"{PROGRAM} inspect net.tflite {redirection}")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
@pytest.mark.parametrize("command", ["inspect missing.tflite", "--nonsense"])
def test_an_error_that_nobody_can_read_keeps_its_exit_code(
    tmp_path: Path, command: str, redirection: str
) -> None:
    assert shell(tmp_path, f"{PROGRAM} {command} {redirection}").returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone(model: Path, command: str) -> None:
    line = f"set -o pipefail; ({PROGRAM} {command}; echo $? >&2) | true"
    done = shell(model.parent, line)
    assert done.stderr == "0\n"


@pytest.mark.tool("cc")
def test_files_that_are_opened_do_not_take_the_place_of_closed_streams(model: Path) -> None:
    done = shell(model.parent, f"{PROGRAM} export net.tflite -o net --quiet <&- >&- 2>&-")
    assert done.returncode == 0
    assert (model.parent / "net" / "report.json").is_file()


# Starts programs that sleep as a long step would, in a folder for temporary files.
SLEEPER = """\
import sys, time
from pathlib import Path
from tflm_ext.cli import main, system
from tflm_ext.programs import run_program
from tflm_ext.scratch import scratch_folder

def sleep(options):
    with scratch_folder() as folder:
        code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid()));"
        command = [sys.executable, "-c", code + "time.sleep(99)", sys.argv[1]]
        run_program(command, seconds=99, leashed=sys.argv[2] == "leashed")
    return 0

system._boards = sleep
sys.exit(main(["boards"]))
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def sleeping(tmp_path: Path, *, leashed: bool = True) -> tuple[subprocess.Popen[str], int, Path]:
    """The command line in the middle of a step: its process, its child, its TMPDIR."""
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    number = tmp_path / "number"
    number.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(number), "leashed" if leashed else "free"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    while not number.exists() or not number.read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert len(list(temporary.iterdir())) == 1
    return process, int(number.read_text()), temporary


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, "ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "ended by SIGHUP\n"),
        (signal.SIGINT, 130, "interrupted\n"),
    ],
)
def test_signals_clean_up(tmp_path: Path, number: signal.Signals, code: int, said: str) -> None:
    process, child, temporary = sleeping(tmp_path, leashed=False)
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == said
    assert process.returncode == code
    assert gone(child)
    assert list(temporary.iterdir()) == []


def test_a_killed_command_takes_its_children_along_and_the_next_start_its_folder(
    tmp_path: Path,
) -> None:
    process, child, temporary = sleeping(tmp_path)
    process.kill()
    process.communicate(timeout=30)
    assert gone(child)
    (left,) = temporary.iterdir()
    process, _, _ = sleeping(tmp_path)
    (new,) = temporary.iterdir()
    assert new != left
    process.terminate()
    process.communicate(timeout=30)
    assert list(temporary.iterdir()) == []


def test_what_was_told_to_ignore_a_signal_ignores_it(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from tflm_ext.shell import signals_as_interrupts\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with signals_as_interrupts():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    done = run_python(code)
    assert done.stdout == "True\n"


def test_a_second_signal_does_not_disturb_the_cleaning_up() -> None:
    code = (
        "import os, signal\n"
        "from tflm_ext.shell import Ended, signals_as_interrupts\n"
        "with signals_as_interrupts():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except Ended as ended:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        print(ended.number)\n"
    )
    done = run_python(code)
    assert (done.returncode, done.stdout) == (0, "15\n")


def test_the_library_leaves_signals_alone() -> None:
    code = (
        "import signal, tflm_ext, tflm_ext.programs, tflm_ext.scratch, tflm_ext.recheck\n"
        "names = ('SIGTERM', 'SIGHUP')\n"
        "print({signal.getsignal(getattr(signal, n)) is signal.SIG_DFL for n in names})\n"
    )
    done = run_python(code)
    assert done.stdout == "{True}\n"
