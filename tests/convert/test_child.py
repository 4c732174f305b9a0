"""The converter's process may crash; ours continues, and nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools import run_python
from tflm_ext.convert.child import Child, ChildEnded

WORKER = "tests.convert.crashing_worker"


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_progress_and_answer(tmp_path: Path) -> None:
    said: list[str] = []
    with Child(tmp_path / "log", WORKER) as child:
        answer = child.ask("greet", said.append)
        assert alive(answer["pid"])
    assert said == ["thinking"]
    assert not alive(answer["pid"])


def test_output_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Child(tmp_path / "log", WORKER) as child:
        child.ask("greet", print)
        assert child.output() == "something that the converter says\n"
    assert capfd.readouterr() == ("thinking\n", "")


def test_crash_is_an_exception_and_the_next_request_starts_again(tmp_path: Path) -> None:
    with Child(tmp_path / "log", WORKER) as child:
        first = child.ask("greet", lambda text: None)
        with pytest.raises(ChildEnded) as caught:
            child.ask("crash", lambda text: None)
        assert caught.value.code == -11
        assert caught.value.log.endswith("last words\n")
        assert child.ask("greet", lambda text: None)["pid"] != first["pid"]


def test_interrupt_kills_the_child(tmp_path: Path) -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with Child(tmp_path / "log", WORKER) as child:
        pid = child.ask("greet", lambda text: None)["pid"]
        with pytest.raises(KeyboardInterrupt):
            child.ask("greet", interrupt)
    assert not alive(pid)


def test_a_module_of_the_current_folder_is_not_taken_for_another(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken')", encoding="utf-8")
    program = (
        "import os, sys; from pathlib import Path; from tflm_ext.convert.child import Child\n"
        f"os.chdir({str(tmp_path)!r})\n"
        f"with Child(Path('log'), {WORKER!r}) as c: print(c.ask('greet', print)['pid'])"
    )
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_importing_convert_does_not_import_tensorflow() -> None:
    program = (
        "import sys, tflm_ext.convert, tflm_ext.convert.worker, tflm_ext.convert.trace\n"
        "print({'tensorflow', 'keras', 'tf_keras', 'h5py'} & set(sys.modules))"
    )
    done = run_python(program)
    assert done.stdout == "set()\n", done.stderr


def test_a_killed_parent_takes_the_child_along(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tflm_ext.convert.child import Child\n"
        f"with Child(Path({str(tmp_path / 'log')!r}), {WORKER!r}) as child:\n"
        "    print(child.ask('greet', lambda text: None)['pid'], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)
