"""Whole generated trees, byte for byte; pytest --update-golden rewrites them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.models import image_net, recurrent_net, two_headed_net
from tflm_ext import export
from tflm_ext.emit.render import templates_folder

pytestmark = pytest.mark.tool("cc")

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("no", 'say "hi"', "*/ ??/\n%s")
MODELS = {
    "image_net": (image_net, LABELS),
    "two_headed_net": (two_headed_net, ()),
    "recurrent_net": (recurrent_net, ()),
}

# Binary, and made of the files that are compared; the emulated core has its own golden tree.
LEFT_OUT = ("arduino/", "model/", "platforms/")


def exported(name: str, folder: Path) -> dict[str, bytes]:
    net, labels = MODELS[name]
    model = folder / "net.tflite"
    model.write_bytes(net())
    return tree(export(model, folder / name, labels=labels or None, progress=False).folder)


def tree(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(name)


@pytest.fixture(scope="module")
def files(name: str, folder: Path) -> dict[str, bytes]:
    return exported(name, folder)


def test_what_is_rendered(
    name: str, files: dict[str, bytes], golden: Callable[[str, Mapping[str, bytes]], None]
) -> None:
    verbatim = {path.read_bytes() for path in templates_folder().rglob("*") if path.is_file()}
    rendered = {
        path: data
        for path, data in files.items()
        if data not in verbatim and not path.startswith(LEFT_OUT)
    }
    report = json.loads(rendered["report.json"])
    assert {file["path"] for file in report["files"]} == files.keys() - {"report.json"}
    # Their digests change with every kernel, and the files are compared themselves.
    report["files"] = []
    rendered["report.json"] = (json.dumps(report, indent=2, sort_keys=True) + "\n").encode()
    golden(name, rendered)


@pytest.mark.slow
def test_the_same_bytes_with_every_hash_seed_and_in_every_folder(tmp_path: Path) -> None:
    here = exported("image_net", tmp_path)
    code = (
        "import sys; from pathlib import Path; from tests.emit.test_golden_trees import exported\n"
        "exported('image_net', Path(sys.argv[1]))"
    )
    for seed in ("0", "4242"):
        folder = tmp_path / f"seed {seed}"
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"},
            check=True,
        )
        assert tree(folder / "image_net") == here


def test_no_file_holds_a_path_of_this_computer(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        for secret in (folder, Path.home(), ROOT, Path(sys.prefix)):
            assert f"{secret}/".encode() not in data, path


def test_text_files_end_with_one_newline_and_have_no_trailing_space(
    files: dict[str, bytes],
) -> None:
    for path, data in files.items():
        if path.endswith((".c", ".h", ".cpp", ".md", ".ini", ".ino", ".json", ".py")):
            text = data.decode("utf-8")
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path
            assert "\r" not in text, path
            for number, line in enumerate(text.splitlines(), 1):
                assert line == line.rstrip(), f"{path}:{number}"


def test_lines_of_c_are_at_most_100_wide(files: dict[str, bytes]) -> None:
    for path, data in files.items():
        if path.startswith(("lib/", "src/", "test/test_model/")) and path.endswith((".c", ".h")):
            for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
                # A row of the execution plan names its layer in full.
                assert len(line) <= 100 or line.startswith(" *     "), f"{path}:{number}"
