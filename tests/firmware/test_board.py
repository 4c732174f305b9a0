"""`tflm-ext verify DIR --port PORT`: an exported model, its firmware behind a pseudo-terminal."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tflm_ext
from tests.device.test_client import run_program, terminal
from tests.firmware.sample import SHA256
from tests.ops.test_fully_connected import fully_connected
from tflm_ext.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.tool("gcc", "g++")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    (folder / "tiny.tflite").write_bytes(fully_connected())
    tflm_ext.export(folder / "tiny.tflite", folder / "tiny", progress=False)
    return folder / "tiny"


@pytest.fixture
def project(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "tiny")


def build(project: Path) -> Path:
    """The host program of a project whose model has the name of its folder."""
    program = project.parent / "program"
    sources = [f"{project.name}_{part}.c" for part in ("model", "weights")]
    library = project / "lib" / project.name.title() / "src"
    for source in sources:
        subprocess.run(["gcc", "-c", source, "-o", f"{source}.o"], cwd=library, check=True)
    objects = [str(library / f"{source}.o") for source in sources]
    main_cpp = str(project / "src/main.cpp")
    subprocess.run(["g++", f"-I{library}", main_cpp, *objects, "-o", str(program)], check=True)
    return program


def verify(project: Path, program: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code, and what was printed on either stream."""
    with terminal(run_program(program)) as port:
        status = main(["verify", str(project), "--port", port])
    return status, "".join(capsys.readouterr())


def edit(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


def wrong_weight(project: Path) -> None:
    """All bits of the first weight are turned round."""
    weights = project / "lib/Tiny/src/tiny_weights.c"
    value = int(re.search(r"weights\[\d+\] = \{\s*(-?\d+),", weights.read_text())[1])
    edit(weights, rf"(weights\[\d+\] = \{{\s*){value},", rf"\g<1>{~value},")


def test_right_board(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = verify(project, build(project), capsys)
    assert status == 0
    assert "equal to TensorFlow Lite Micro on the board" in text


def test_wrong_weight(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong_weight(project)
    status, text = verify(project, build(project), capsys)
    assert status == 6
    assert re.search(r"The board passed only \d+ of \d+ golden vectors\.", text)


def test_wrong_weight_behind_a_lying_selftest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong_weight(project)
    edit(project / "src/main.cpp", "return passed;", "return TINY_GOLDEN_COUNT;")
    status, text = verify(project, build(project), capsys)
    assert status == 6
    assert re.search(
        r"tiny on /dev/pts/\d+: output 0, element \d+ on input \d+ is -?\d+ instead of -?\d+\.",
        text,
    )


def test_no_golden_vectors_are_not_passed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "src/main.cpp", r"return passed;", "return 0;")
    edit(project / "src/main.cpp", r"golden_count = TINY_GOLDEN_COUNT;", "golden_count = 0;")
    status, text = verify(project, build(project), capsys)
    assert status == 6
    assert "The board passed only 0 of 0 golden vectors." in text


def test_another_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "src/main.cpp", 'sha256 = "[0-9a-f]{64}"', f'sha256 = "{SHA256}"')
    status, text = verify(project, build(project), capsys)
    assert status == 2
    assert "runs the model 'tiny' (01234567), but the project's model is 'tiny' (" in text
    assert f"pio run -d {project} -e nano33ble -t upload\n" in text


def test_missing_port(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(project), "--port", "/dev/ttyNOTHING0"]) == 5
    assert "There is no port /dev/ttyNOTHING0." in "".join(capsys.readouterr())
