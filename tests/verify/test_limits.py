"""Limits of this computer are never reported as errors of the model or the C."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.harness import facts_for
from tests.models import image_net
from tests.ops.test_softmax import softmax
from tflm_ext import programs
from tflm_ext.convert.child import ChildEnded
from tflm_ext.convert.explain import explain
from tflm_ext.emit.model import model_files
from tflm_ext.errors import StorageError, ToolError, UnsupportedModelError, VerificationError
from tflm_ext.frontend import read_graph
from tflm_ext.options import Optimize
from tflm_ext.plan import make_plan
from tflm_ext.programs import LimitError, leash, limit_error, run_program
from tflm_ext.project import pio
from tflm_ext.verify import host, tflm
from tflm_ext.verify.host import HostRun, run_host

ASAN = "==7==ERROR: AddressSanitizer"

# Output of programs that exceed a limit, and a word of the resulting error.
MISSING = {
    f"{ASAN} failed to allocate 0xdfff0001000 (15392894357504) bytes (errno: 12)": "memory",
    "==7==ReserveShadowMemoryRange failed while trying to map 0x10000000 bytes.": "memory",
    f"{ASAN}: out of memory: allocator is trying to allocate 0x20 bytes": "memory",
    "==7==Shadow memory range interleaves with an existing memory mapping.": "memory",
    "cc1: out of memory allocating 65536 bytes after a total of 1 bytes": "memory",
    "virtual memory exhausted: Cannot allocate memory": "memory",
    "cc: fatal error: Killed signal terminated program cc1": "memory",
    "terminate called after throwing an instance of 'std::bad_alloc'": "memory",
    "numpy._core._exceptions._ArrayMemoryError: Unable to\nMemoryError": "memory",
    "ImportError: libx.so: failed to map segment from shared object": "memory",
    "cc: fatal error: cannot execute 'cc1': vfork: Resource temporarily unavailable": "process",
    "RuntimeError: can't start new thread": "process",
    "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2": "process",
    "collect2: fatal error: CPU time limit exceeded signal terminated program ld": "time",
    "cc: internal compiler error: File size limit exceeded signal terminated": "file size",
    "==7==LeakSanitizer has encountered a fatal error.": "leak check",
    "==7==ASan runtime does not come first in initial library list": "LD_PRELOAD",
    "/tmp/x/harness cannot be started: Permission denied": "started",
}


@pytest.fixture(scope="module")
def built() -> tuple[object, ...]:
    model = softmax((1, 4), 0.5)
    graph = read_graph(model)
    plan = make_plan(graph, Optimize.SPEED)
    facts = facts_for(model, graph, plan, "net")
    return facts, model_files(facts, plan), [np.zeros((2, 1, 4), np.int8)]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replace the compiler with a bash script, in which $real is the real compiler."""
    real = host.find_compiler()

    def install(script: str) -> None:
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/bash\nreal={real}\n{script}\n", "utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("CC", str(path))

    return install


def fails(said: str, status: int, *, only: str = "") -> str:
    """A compiler whose programs, or those of one source file, end like this."""
    program = f"#!/bin/bash\necho {said!r} >&2\nexit {status}\n"
    make = f"printf '%s' {_quoted(program)} > ${{@: -1}}; chmod +x ${{@: -1}}"
    if not only:
        return make
    return f'case "$*" in *{only}*) {make};; *) exec $real "$@";; esac'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def run(built: tuple[object, ...]) -> HostRun:
    return run_host(*built)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", MISSING)
def test_is_recognised(said: str) -> None:
    error = limit_error("cc", 1, said)
    assert isinstance(error, LimitError)
    assert MISSING[said] in error.problem + error.hint
    assert error.output


@pytest.mark.parametrize(
    "said",
    [
        "harness.c:3:1: runtime error: signed integer overflow",
        f"{ASAN}: heap-buffer-overflow on address 0x1",
        "net_model.c:3:4: error: expected ';'",
        "",
    ],
)
def test_what_points_to_the_c_is_not(said: str) -> None:
    assert limit_error("cc", 1, said) is None
    assert limit_error("cc", -11, said) is None
    assert limit_error("cc", -6, said) is None


@pytest.mark.parametrize("said", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk(said: str) -> None:
    assert type(limit_error("cc", 1, said)) is StorageError


@pytest.mark.parametrize("number", [1, 2, 3, 9, 15, 24, 25])
def test_signals_from_outside(number: int) -> None:
    assert isinstance(limit_error("cc", -number, ""), LimitError)
    assert isinstance(limit_error("sh", 128 + number, ""), LimitError)


@pytest.mark.tool("cc")
@pytest.mark.parametrize("said", list(MISSING)[:4] + list(MISSING)[-3:])
def test_a_program_that_lacks_something_is_not_wrong_c(
    built: tuple[object, ...], compiler, said: str
) -> None:
    compiler(fails(said, 1))
    with pytest.raises(LimitError):
        run(built)


@pytest.mark.tool("cc")
def test_a_failure_that_nothing_explains_is_tried_on_a_program_that_does_nothing(
    built: tuple[object, ...], compiler
) -> None:
    compiler(fails("what sanitizers of next year say", 1))
    with pytest.raises(ToolError) as caught:
        run(built)
    assert caught.value.problem == (
        "Programs with sanitizers do not run on this computer: what sanitizers of next year say"
    )
    compiler(fails("what sanitizers of next year say", 1, only="harness.c"))
    with pytest.raises(VerificationError):
        run(built)


@pytest.mark.tool("cc")
def test_no_memory_for_the_context(built: tuple[object, ...], compiler) -> None:
    compiler(fails("", 2, only="harness.c"))
    with pytest.raises(LimitError, match="ran out of memory"):
        run(built)


@pytest.mark.parametrize(
    "script",
    [
        "kill -KILL $$",
        "kill -XCPU $$",
        "kill -TERM $$",
        "echo 'cc: fatal error: Killed signal terminated program cc1' >&2; exit 1",
        "echo 'net_model.c:1:1: internal compiler error: out of memory' >&2; exit 4",
    ],
)
def test_a_compiler_that_is_killed(built: tuple[object, ...], compiler, script: str) -> None:
    compiler(script)
    with pytest.raises(LimitError):
        run(built)


@pytest.mark.tool("cc")
def test_a_program_that_may_not_be_executed(built: tuple[object, ...], compiler) -> None:
    compiler('$real "$@" && chmod -x ${@: -1}')
    with pytest.raises(LimitError, match="cannot be started on this computer"):
        run(built)


@pytest.mark.tool("cc")
def test_a_computer_that_is_too_busy(
    built: tuple[object, ...], compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler("printf '#!/bin/bash\\nexec sleep 99\\n' > ${@: -1}; chmod +x ${@: -1}")
    monkeypatch.setattr(host, "_SECONDS", 4.0)
    with pytest.raises(LimitError, match=r"got only 0 s of processor time within 4 s"):
        run(built)


@pytest.mark.parametrize(
    "code",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "raise MemoryError",
        "import os, sys; sys.stderr.write('std::bad_alloc'); sys.stderr.flush(); os.abort()",
        "raise ImportError('libx.so: failed to map segment from shared object')",
        'raise RuntimeError("can\'t start new thread")',
    ],
)
def test_an_interpreter_that_lacks_something_says_nothing_about_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(code, "utf-8")
    monkeypatch.setattr(tflm, "_CHILD", str(child))
    with pytest.raises(LimitError):
        tflm.run_tflm(image_net(), [np.zeros((1, 1, 6, 6, 2), np.int8)], 1, arena_bytes=1 << 16)


@pytest.mark.parametrize("do", ["load", "convert", "predict"])
@pytest.mark.parametrize(("code", "log"), [(-9, ""), (1, "MemoryError"), (-6, "std::bad_alloc")])
def test_a_converter_that_lacks_something_says_nothing_about_the_model(
    do: str, code: int, log: str
) -> None:
    error = explain(do, ChildEnded(code, log), {"lstm": "LSTM"}, ("python",))
    assert isinstance(error, LimitError)
    assert not isinstance(error, UnsupportedModelError)


@pytest.mark.parametrize("said", list(MISSING)[:4])
def test_a_test_program_that_lacks_something_is_no_failed_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    (tmp_path / "platformio.ini").write_text("[env:native]\nplatform = native\n", "utf-8")
    monkeypatch.setattr(pio, "_call", lambda *_: (1, f"Testing...\n{said}\n"))
    monkeypatch.setattr(pio, "require_programs", lambda *_: None)
    with pytest.raises(LimitError):
        pio.test(tmp_path)


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("-v 400000", r"The C on this computer ran out of memory.*ulimit -v allows 400,000 KiB\."),
        ("-f 40", r".* exceeded the file size limit\."),
    ],
)
def test_limits_of_the_shell(tmp_path: Path, limit: str, problem: str) -> None:
    (tmp_path / "net.tflite").write_bytes(image_net())
    line = f"ulimit {limit}; exec {sys.executable} -m tflm_ext.cli export net.tflite -o net"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "CC": "gcc"},
    )
    assert done.returncode == 5
    lines = done.stderr.splitlines()
    assert re.fullmatch(f"error: {problem}", lines[0])
    assert lines[-1].startswith("hint: Raise the limit")
    assert not (tmp_path / "net").exists()


def test_no_process_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(programs.subprocess, "Popen", refuse)
    with pytest.raises(LimitError) as caught:
        run_program(["/usr/bin/cc"], seconds=1)
    assert caught.value.problem == "cc cannot be started: Resource temporarily unavailable."


def test_a_leash_changes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "ctypes.py").write_text("raise SystemExit('taken')", "utf-8")
    code = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(3)"
    done = run_program(
        [sys.executable, "-c", code, "-x", "a b"],
        seconds=60,
        data=b"in",
        folder=tmp_path,
        leashed=True,
    )
    assert (done.returncode, done.stdout) == (3, b"['-x', 'a b'] in\n")
    assert leash(["program"])[-1] == "program"
