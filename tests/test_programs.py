"""Programs that hang are ended with their children, and folders for temporary files go away."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tflm_ext.errors import StorageError
from tflm_ext.programs import run_program
from tflm_ext.scratch import scratch_folder

# Prints the number of a child that sleeps, then sleeps, too.
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open(sys.argv[1], 'w').write(str(child.pid))\n"
    "time.sleep(600)\n"
)


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_output_status_and_input() -> None:
    code = "import os, sys; data = sys.stdin.read(); print(os.environ['ODD'] + data); sys.exit(3)"
    done = run_program(
        [sys.executable, "-c", code],
        seconds=60,
        data=b"\xe4".hex().encode(),
        variables={"ODD": "1"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"1e4\n", b"")


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    done = run_program([sys.executable, "-c", ""], seconds=60, data=bytes(1 << 20))
    assert done.returncode == 0


def test_time_is_up_for_the_program_and_its_children(tmp_path: Path) -> None:
    number = tmp_path / "number"
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([sys.executable, "-c", PARENT, str(number)], seconds=3)
    assert gone(int(number.read_text()))


def test_ctrl_c_ends_the_program_and_its_children(tmp_path: Path) -> None:
    number = tmp_path / "number"
    code = (
        "import sys\nfrom tflm_ext.programs import run_program\n"
        "run_program(sys.argv[1:], seconds=600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, sys.executable, "-c", PARENT, str(number)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not number.exists() or not number.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1].endswith("KeyboardInterrupt\n")
    assert gone(int(number.read_text()))


def test_a_scratch_folder_goes_away_after_an_error() -> None:
    folders = []

    def fail() -> None:
        with scratch_folder() as folder:
            folders.append(folder)
            (folder / "file").write_text("text")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folders[0].exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_no_room_in_a_scratch_folder(code: int) -> None:
    with pytest.raises(StorageError) as caught, scratch_folder():
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == (
        f"The folder for temporary files, {tempfile.gettempdir()}, cannot be written: "
        f"{os.strerror(code)}.\n"
        "Free some space there, or set TMPDIR to a different folder."
    )


def test_other_errors_in_a_scratch_folder_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), scratch_folder() as folder:
        (folder / "nowhere" / "file").write_text("text")
