"""No model file runs code, reads another file, or takes the computer down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.hostile.files import HOSTILE
from tests.hostile.makers import Baits
from tests.hostile.watch import opened_files
from tests.tools import run_python
from tflm_ext.convert.child import ChildEnded
from tflm_ext.convert.explain import explain
from tflm_ext.errors import UnsupportedModelError


@pytest.fixture(scope="module")
def baits(tmp_path_factory: pytest.TempPathFactory) -> Baits:
    folder = tmp_path_factory.mktemp("baits")
    (folder / "secret").write_bytes(b"a secret that nobody reads")
    marker = folder / "marker"
    module = f"import pathlib\npathlib.Path({str(marker)!r}).write_text('imported')\n"
    (folder / "bait_module.py").write_text(module, "utf-8")
    return Baits(folder / "secret", marker)


def environment(baits: Baits) -> dict[str, str]:
    """One in which the bait module could be imported."""
    path = os.pathsep.join([str(ROOT), str(baits.secret.parent)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def test_inotify_sees_files_that_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with opened_files(tmp_path) as names:
        subprocess.run(["cat", str(tmp_path / "a")], check=True)
    assert names == ["a"]


@pytest.fixture(scope="module")
def found(baits: Baits, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the converter's child said of all of them."""
    folder = tmp_path_factory.mktemp("hostile")
    program = [sys.executable, "-m", "tests.hostile.loader", str(folder)]
    with opened_files(baits.secret.parent) as names:
        done = subprocess.run(
            [*program, str(baits.secret), str(baits.marker)],
            env=environment(baits),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "opened": names}


def test_nothing_is_imported_opened_or_written(found: dict[str, Any], baits: Baits) -> None:
    assert len(found["said"]) >= 50
    assert found["imported"] == []
    assert found["opened"] == []
    assert not baits.marker.exists()
    assert sorted(p.name for p in baits.secret.parent.iterdir()) == ["bait_module.py", "secret"]


@pytest.mark.parametrize("name", HOSTILE)
def test_each_is_refused_for_what_it_does(name: str, found: dict[str, Any]) -> None:
    said = found["said"][name]
    assert said.startswith("UnsupportedModelError: ")
    assert HOSTILE[name][1] in said
    assert "(after" not in said


COMMANDS = {
    "inspect": ["inspect", "MODEL"],
    "export": ["export", "MODEL", "-o", "out", "--calibration", "d.npz"],
    "bench": ["bench", "MODEL", "--calibration", "d.npz"],
    "compare": ["compare", "MODEL", "--calibration", "d.npz"],
    "compress": ["compress", "MODEL", "-o", "small.keras", "--data", "d.npz"],
}


@pytest.mark.parametrize("name", ["writes_a_file", "external_storage_of_a_h5"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses(command: str, name: str, baits: Baits, tmp_path: Path) -> None:
    path = HOSTILE[name][0](tmp_path, baits)
    np.savez(tmp_path / "d.npz", x=np.zeros((100, 4), "f4"), y=np.zeros(100))
    arguments = [str(path) if word == "MODEL" else word for word in COMMANDS[command]]
    before = {p.name for p in tmp_path.iterdir()}
    with opened_files(baits.secret.parent) as names:
        done = subprocess.run(
            [sys.executable, "-m", "tflm_ext.cli", *arguments],
            env=environment(baits),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ") and HOSTILE[name][1] in error
    assert hint.startswith("hint: ")
    assert names == []
    assert not baits.marker.exists()
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_file_that_never_ends_to_be_read() -> None:
    """As HDF5 does not with some damaged files: the child is gone, and the error says why."""
    program = (
        "from pathlib import Path; from tflm_ext.convert import load\n"
        "load.admit = lambda *args, **more: all(iter(lambda: True, False))\n"
        "load.load_keras(Path('x.h5'), 'h5', Path('copy'), patience=1)"
    )
    done = run_python(program, cwd=ROOT)
    assert done.returncode == -signal.SIGPROF
    error = explain("load", ChildEnded(done.returncode, ""), {}, ())
    assert isinstance(error, UnsupportedModelError)
    assert "seconds of processor time" in error.problem
