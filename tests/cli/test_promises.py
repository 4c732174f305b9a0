"""What no command imports, what is shown on a terminal, and what is not."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tflm_ext.cli import main

needs_compiler = pytest.mark.tool("cc")

# Says at the end which of these were imported, whatever happened before.
WATCH = """\
import atexit, sys
HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "h5py")
atexit.register(lambda: print("imported:", *(h for h in HEAVY if h in sys.modules),
                              file=sys.stderr))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["boards"],
        ["inspect", "net.tflite"],
        ["inspect", "net.tflite", "--json"],
        pytest.param(["export", "net.tflite", "-o", "out"], marks=needs_compiler),
        pytest.param(["verify", "project"], marks=needs_compiler),
        pytest.param(["doctor"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_nothing_imports_tensorflow(
    arguments: list[str], model: Path, project: Path, tmp_path: Path
) -> None:
    # Without arguments: the import alone.
    code = "import tflm_ext" if not arguments else "from tflm_ext.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", WATCH + code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["export", "--help"]])
def test_help_imports_neither_numpy_nor_jinja_nor_rich(arguments: list[str]) -> None:
    code = (
        "import sys; from tflm_ext.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*(m for m in ('numpy', 'jinja2', 'rich', 'flatbuffers') if m in sys.modules),"
        " file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "\n")


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """All that a command shows on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tflm_ext.cli", *arguments],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdin=child,
        stdout=child,
        stderr=child,
        close_fds=True,
    )
    os.close(child)
    shown, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([parent], [], [], 1)[0]:
            continue
        try:
            data = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(parent)
    assert process.wait(timeout=30) == 0, shown.decode("utf-8", "replace")
    return shown.decode("utf-8", "replace")


STEPS = ("planning ...", "comparing with TensorFlow Lite Micro ...")


@needs_compiler
def test_progress_is_shown_on_a_terminal(model: Path, tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "export", "net.tflite", "-o", "out")
    assert STEPS[1] in shown
    assert "compared" in shown.rsplit("...", 1)[1]  # the report comes last


@needs_compiler
def test_quiet_shows_nothing_on_a_terminal(model: Path, tmp_path: Path) -> None:
    assert on_a_terminal(tmp_path, "export", "net.tflite", "-o", "out", "--quiet") == ""


@needs_compiler
def test_no_progress_where_there_is_no_terminal(run: Run, model: Path) -> None:
    done = run("export", "net.tflite", "-o", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert not any(step in done.stdout for step in STEPS)
    assert re.search(r"^compared +64  inputs with TFLM, 0 mismatches", done.stdout, re.MULTILINE)


def test_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^  (\d+)  ", capsys.readouterr().out, re.MULTILINE)
    assert listed == ["0", "1", "2", "3", "4", "5", "6", "7", "129", "130", "143"]


def test_every_command_has_a_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("export", "inspect", "build", "test", "verify", "doctor", "boards"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert f"usage: tflm-ext {command}" in capsys.readouterr().out


def test_inspect_lists_the_operators_that_run(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if re.match(r" *\d+ +[A-Z_0-9]+ ", line)]
    assert [row.split()[1] for row in rows] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "AVERAGE_POOL_2D",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_a_missing_package_is_named(tmp_path: Path, model: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['flatbuffers'] = None\n"
        "sys.modules['jinja2'] = None\n"
        "sys.modules['rich'] = None\n"
        "from tflm_ext.cli import main; sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(model)], capture_output=True, text=True
    )
    assert done.returncode == 5
    problem, hint = done.stderr.splitlines()
    assert re.fullmatch(r"error: The Python package \w+ is missing\.", problem)
    assert re.fullmatch(r"hint: Run: \S+ -m pip install \w+", hint)
