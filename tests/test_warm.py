"""Programs that run in forks of a warm process, as in a fresh interpreter, only sooner."""

from __future__ import annotations

import contextvars
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tflm_ext.programs import LimitError
from tflm_ext.warm import run_python, warm_python

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]

PARENT = "import os\nprint(os.getppid())\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the text of a program."""

    def call(text: str, *arguments: str, seconds: float = 60, needs: tuple[str, ...] = ()) -> Done:
        program = tmp_path / "program.py"
        program.write_text(text, "utf-8")
        return run_python((str(program), *arguments), seconds=seconds, needs=needs)

    return call


def alone(work: Callable[[], object]) -> None:
    """Call a function without the warm process that all tests share."""
    contextvars.Context().run(work)


def parent_of(done: Done) -> int:
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("text", "status", "output", "last"),
    [
        ("import sys; print(__name__, *sys.argv[1:])", 0, b"__main__ a b\n", b""),
        ("import sys; print(repr(sys.stdin.read()))", 0, b"''\n", b""),
        ("import sys; sys.exit(3)", 3, b"", b""),
        ("import sys; sys.exit()", 0, b"", b""),
        ("import sys; sys.exit('no more')", 1, b"", b"no more"),
        ("print(1); raise ValueError('wrong')", 1, b"1\n", b"ValueError: wrong"),
        ("import os; os.write(2, b'abort'); os.abort()", -signal.SIGABRT, b"", b"abort"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, b"", b""),
        ("import os, sys; print(os.path.basename(sys.argv[0]))", 0, b"program.py\n", b""),
        ("import no_such_module", 1, b"", b"ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_as_in_an_interpreter_of_its_own(
    text: str, status: int, output: bytes, last: bytes, run: Run
) -> None:
    def both() -> None:
        cold = run(text, "a", "b")
        with warm_python():
            warm = run(text, "a", "b")
            again = run(text, "a", "b")
        for done in (cold, warm, again):
            assert (done.returncode, done.stdout) == (status, output)
            assert (done.stderr.splitlines() or [b""])[-1] == last
            assert done.args == cold.args

    alone(both)


def test_one_process_is_forked_for_all_even_after_a_crash(run: Run) -> None:
    def work() -> None:
        with warm_python():
            server = parent_of(run(PARENT))
            run("import os; os.abort()")
            with warm_python():
                assert parent_of(run(PARENT)) == server
            assert parent_of(run(PARENT)) == server != os.getpid()
        with pytest.raises(ProcessLookupError):
            os.kill(server, 0)
        assert parent_of(run(PARENT)) == os.getpid()

    alone(work)


def test_modules_are_imported_once_and_changed_by_no_program(run: Run) -> None:
    use = (
        "import sys\nassert 'fractions' in sys.modules\nimport fractions\n"
        "assert not hasattr(fractions, 'changed')\nfractions.changed = True\n"
    )
    with warm_python():
        for _ in range(2):
            assert run(use, needs=("fractions",)).returncode == 0


def test_a_module_is_run_by_its_name() -> None:
    with warm_python():
        done = run_python(("-m", "base64", "-t"), seconds=60, needs=())
    assert done.returncode == 0
    assert done.stdout.endswith(b"b'Aladdin:open sesame'\n")


def test_what_cannot_be_imported_is_an_error_of_the_program_only(run: Run) -> None:
    with warm_python():
        assert parent_of(run(PARENT, needs=("no_such_module",))) == os.getpid()
        assert parent_of(run(PARENT)) != os.getpid()


def test_a_program_that_takes_too_long_is_killed(run: Run, tmp_path: Path) -> None:
    text = (
        f"import os, time\nopen({str(tmp_path / 'number')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    with warm_python():
        with pytest.raises(subprocess.TimeoutExpired):
            run(text, seconds=2)
        assert run("").returncode == 0
    number = int((tmp_path / "number").read_text())
    assert gone(number)


def gone(number: int) -> bool:
    """Whether a process that was killed has ended, which takes a moment."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_after_its_death_programs_run_cold_then_warm_again(run: Run) -> None:
    def work() -> None:
        with warm_python():
            server = parent_of(run(PARENT))
            os.kill(server, signal.SIGKILL)
            assert parent_of(run(PARENT)) == os.getpid()
            assert parent_of(run(PARENT)) not in (server, os.getpid())

    alone(work)


def test_limits_that_were_lowered_hold(run: Run) -> None:
    limits = "import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with warm_python():
        assert int(run(limits).stdout) == soft
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
        try:
            assert int(run(limits).stdout) == soft - 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_fork_of_this_process_leaves_it_alone(run: Run) -> None:
    def work() -> None:
        with warm_python():
            server = parent_of(run(PARENT))
            fork = os.fork()
            if fork == 0:
                try:
                    os._exit(0 if parent_of(run(PARENT)) == os.getpid() else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
            assert parent_of(run(PARENT)) == server

    alone(work)


def test_nothing_survives_the_death_of_this_process(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(
        "import os, sys, time\nopen(sys.argv[1], 'w').write(f'{os.getpid()} {os.getppid()} ')\n"
        "time.sleep(600)\n"
    )
    parent = (
        "import sys\nfrom tflm_ext.warm import run_python, warm_python\n"
        "with warm_python():\n    run_python(sys.argv[1:], seconds=600, needs=())\n"
    )
    numbers = tmp_path / "numbers"
    command = (sys.executable, "-c", parent, str(tmp_path / "sleeper.py"), str(numbers))
    with subprocess.Popen(command) as process:
        while not (numbers.exists() and numbers.read_text().endswith(" ")):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert all(gone(int(number)) for number in numbers.read_text().split())


def test_a_limit_of_the_start_is_that_of_the_cold_program(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        monkeypatch.setattr(sys, "executable", "/dev/null")
        with warm_python(), pytest.raises(LimitError, match="null cannot be started"):
            run("")

    alone(work)
