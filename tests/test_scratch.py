"""Folders for temporary files: those of dead owners go at the next start, no others."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tflm_ext import scratch
from tflm_ext.errors import StorageError
from tflm_ext.scratch import remove_abandoned, scratch_folder

OWNER = """\
import sys
from pathlib import Path
from tflm_ext.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "below").mkdir()
    (folder / "below" / "file").write_text("text")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process with a folder in tmp_path."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user, which is as it was in the end."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "file").write_text("text")
    yield folder
    assert (folder / "file").read_text() == "text"


@pytest.fixture
def within(tmp_path: Path) -> Path:
    """A folder for temporary files."""
    folder = tmp_path / "within"
    folder.mkdir()
    return folder


def abandoned(parent: Path) -> Path:
    """What a killed process leaves in the temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="tflm_ext-", dir=parent))
    (folder / "below").mkdir()
    (folder / "below" / "file").write_text("text")
    return folder


def test_is_private_and_goes_away(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "file").write_text("text")
    assert list(tmp_path.iterdir()) == []


def test_of_a_live_owner_stays_and_of_a_dead_one_goes(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    owner.kill()
    owner.wait()
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_our_own_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        remove_abandoned(tmp_path)
        assert folder.is_dir()


def test_the_first_folder_in_a_parent_removes_what_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_swept", set())
    left = abandoned(tmp_path)
    with scratch_folder(tmp_path):
        assert not left.exists()
    later = abandoned(tmp_path)
    with scratch_folder(tmp_path):
        assert later.exists()  # looked once


def test_links_files_and_other_names_stay(within: Path, precious: Path) -> None:
    (within / "tflm_ext-link").symlink_to(precious, target_is_directory=True)
    (within / "tflm_ext-file").write_text("text")
    (within / "tflm_ext_old").mkdir(mode=0o700)
    (within / "other").mkdir(mode=0o700)
    before = sorted(within.iterdir())
    remove_abandoned(within)
    assert sorted(within.iterdir()) == before


def test_links_inside_are_removed_and_not_followed(within: Path, precious: Path) -> None:
    folder = abandoned(within)
    (folder / "link").symlink_to(precious, target_is_directory=True)
    (folder / "below" / "link").symlink_to(precious, target_is_directory=True)
    remove_abandoned(within)
    assert list(within.iterdir()) == []


def test_what_others_could_have_prepared_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = abandoned(tmp_path)
    open_to_all.chmod(0o777)
    remove_abandoned(tmp_path)
    assert open_to_all.is_dir()
    foreign = abandoned(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_abandoned(tmp_path)
    assert foreign.is_dir()


def test_a_folder_that_another_start_takes_for_abandoned_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = tempfile.mkdtemp

    def disturbed(**options: object) -> str:
        made.append(real(**options))
        if len(made) == 1:  # it is removed before it can be opened
            remove_abandoned(tmp_path)
        elif len(made) == 2:  # it is locked by a process that is about to remove it
            made.append(os.open(made[-1], os.O_RDONLY))
            fcntl.flock(made[-1], fcntl.LOCK_EX)
            return made[-2]
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", disturbed)
    with scratch_folder(tmp_path) as folder:
        assert str(folder) == made[-1]
        assert len(made) == 4
        assert folder.is_dir()
    os.close(made[2])


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    left = abandoned(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        remove_abandoned(tmp_path)
        assert left.is_dir()


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(StorageError) as caught, scratch_folder():
        pass
    assert str(caught.value) == (
        "There is no writable folder for temporary files.\nSet TMPDIR to a writable folder."
    )
