"""Places where nothing can be written: the error names the cause, and says so before any work."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.models import image_net
from tflm_ext import ConfigError, StorageError
from tflm_ext.cli import main
from tflm_ext.project.write import check_folder
from tflm_ext.storage import check_writable, not_written, require_folders

HINTS = {
    errno.ENOSPC: "Free some space, then try again.",
    errno.EDQUOT: "Free some space, then try again.",
    errno.EROFS: "Choose a writable folder, or fix the permissions.",
    errno.EACCES: "Choose a writable folder, or fix the permissions.",
    errno.EPERM: "Choose a writable folder, or fix the permissions.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EEXIST: "Something else has that name. Choose a different one, or remove it.",
    errno.EISDIR: "Something else has that name. Choose a different one, or remove it.",
    errno.ENOENT: "Choose a folder on a disk, for example in your home folder.",
    errno.EIO: "Choose a different folder, or check the disk.",
}


@pytest.mark.parametrize("number", HINTS, ids=errno.errorcode.__getitem__)
def test_the_hint_fits_the_error(number: int) -> None:
    error = not_written("net", OSError(number, os.strerror(number)))
    assert isinstance(error, StorageError)
    said = "nothing can be created there" if number == errno.ENOENT else os.strerror(number)
    assert str(error) == f"net could not be written: {said}.\n{HINTS[number]}"


def test_long_paths_are_cut() -> None:
    error = not_written("a/" * 3000, OSError(errno.ENAMETOOLONG, "File name too long"))
    assert len(error.problem) < 260
    assert error.problem.endswith("... could not be written: File name too long.")


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path, "net")
    check_writable(tmp_path, "n" * 255)
    with pytest.raises(OSError, match="File name too long"):
        check_writable(tmp_path, "n" * 256)
    with pytest.raises(OSError, match="File name too long"):
        check_writable(tmp_path, "ü" * 128)
    assert list(tmp_path.iterdir()) == []


def test_require_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    require_folders(tmp_path / "a/b/c")
    require_folders(tmp_path / "file")
    for inside in ("file/x", "file/x/y", "broken/x"):
        with pytest.raises(ConfigError, match=r"cannot be written, because .* is not a folder"):
            require_folders(tmp_path / inside)
    with pytest.raises(ConfigError, match=r"The path 'a\\x00b' has a null character"):
        require_folders(Path("a\0b"))


PLACES = {
    "/proc/x": "nothing can be created there.",
    "/proc/a/b/c": "nothing can be created there.",
    "/dev/fd/x": "nothing can be created there.",
    "/dev/full": "is not a folder.",
    "/dev/full/x": "because /dev/full is not a folder.",
    "/dev/null/x/y": "because /dev/null is not a folder.",
    "net.tflite": "is not a folder.",
    "net.tflite/x": "because net.tflite is not a folder.",
    "n" * 256: "File name too long.",
    "n" * 250: "File name too long.",  # too long with the additions of its temporary folder
    "short/" + "n" * 256: "File name too long.",
    "a/" * 3000: "File name too long.",
    "net\0": "has a null character.",
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place[:20]))
def test_an_export_to_a_place_that_cannot_be_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    """It is refused before the model is looked at: this one does not exist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").touch()
    assert main(["export", "nowhere.keras", "-o", place, "--name", "net"]) in (2, 7)
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.endswith(PLACES[place])
    assert hint.startswith("hint: Choose a ")
    assert "disk" not in hint or "on a disk" in hint
    assert os.listdir(tmp_path) == ["net.tflite"]


@pytest.mark.parametrize("name", ["folder", "folder/new", "folder/new/net"])
def test_a_folder_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Root may write everywhere, so the refusal itself is imitated."""
    (tmp_path / "folder").mkdir()

    def refuse(*arguments: object, **named: object) -> str:
        assert named["dir"] == tmp_path / "folder"
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(StorageError) as error:
        check_folder(tmp_path / name)
    assert str(error.value) == (
        f"{tmp_path / name} could not be written: Permission denied.\n"
        "Choose a writable folder, or fix the permissions."
    )


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        ("encode net.tflite -o", ".tflite"),
        ("compress net.keras --data data.npz -o", ".keras"),
    ],
)
def test_other_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    suffix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(image_net())
    (tmp_path / "net.keras").write_bytes(b"PK")
    np.savez("data.npz", x=np.zeros(1), y=np.zeros(1))
    before = sorted(os.listdir(tmp_path))
    for place, said in (
        ("/proc/x", "nothing can be created there."),
        ("net.tflite/x", "because net.tflite is not a folder."),
        ("n" * 256, "File name too long."),
    ):
        assert main([*command.split(), place + suffix]) in (2, 7)
        problem, hint = capsys.readouterr().err.splitlines()
        assert problem.endswith(said)
        assert hint.startswith("hint: Choose a ")
    assert sorted(os.listdir(tmp_path)) == before


LATER = {
    "plain": {"schema": 2, "tool": {"name": "tflm_ext", "version": "9.1"}},
    "other keys": {"schema": 7, "tool": {"name": "tflm_ext"}, "files": {"a": 1}},
}


@pytest.mark.parametrize("report", LATER)
@pytest.mark.parametrize(
    "command",
    [
        "inspect net",
        "inspect net --passes",
        "verify net",
        "verify net --port /dev/null",
        "export net.tflite -o net",
        pytest.param("bench net", marks=pytest.mark.tool("arm-none-eabi-gcc", "qemu-system-arm")),
    ],
)
def test_a_project_of_a_later_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    report: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(image_net())
    (tmp_path / "net").mkdir()
    (tmp_path / "net/report.json").write_text(json.dumps(LATER[report]))
    assert main(command.split()) == ConfigError.exit_code
    problem, hint = capsys.readouterr().err.splitlines()
    assert "net was exported by a later version of tflm_ext" in problem
    assert ("(9.1)" in problem) == (report == "plain")
    assert hint.startswith("hint: Install that version or a newer one")
    assert os.listdir(tmp_path / "net") == ["report.json"]
