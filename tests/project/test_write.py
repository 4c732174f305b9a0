"""The project writer, with all kinds of folders, and with a fault at every step."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools import run_python
from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.write import check_folder, recover, write_project

ROOT = Path(__file__).resolve().parents[2]

FIRST = {
    "README.md": "first",
    "lib/Digits/src/digits_model.c": "int first;",
    "lib/Digits/src/same.h": "same",
    "model/digits.tflite": "first",
    "platformio.ini": "first",
    "platforms/tflm_ext_m4_11111111/main.py": "first",
    "src/main.cpp": "first",
}
SECOND = {
    **FIRST,
    "README.md": "second",
    "lib/Digits/src/digits_model.c": "int second;",
    "lib/Digits/src/tflm_ext/new.h": "new",
    "platformio.ini": "second",
    "platforms/tflm_ext_m4_22222222/main.py": "second",
    "src/main.cpp": "second",
}
del SECOND["platforms/tflm_ext_m4_11111111/main.py"]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rendered(texts: dict[str, str]) -> list[RenderedFile]:
    """The files of a project, with the report that lists them."""
    report = {
        "files": [{"path": path, "sha256": sha256(text)} for path, text in sorted(texts.items())],
        "schema": 1,
        "tool": {"name": "tflm_ext", "version": "0"},
    }
    return [
        *(RenderedFile.text(path, text) for path, text in texts.items()),
        RenderedFile.text("report.json", json.dumps(report)),
    ]


def tree(folder: Path) -> dict[str, str]:
    """Return all files below a folder, with links and empty folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
        elif not any(path.iterdir()):
            found[name] = "empty folder"
    return found


def expected(texts: dict[str, str]) -> dict[str, str]:
    return {file.path: file.content.decode() for file in rendered(texts)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    write_project(folder, rendered(FIRST))
    return folder


# A folder that is new or empty


def test_a_new_folder_and_those_above_it_are_made(tmp_path: Path) -> None:
    result = write_project(tmp_path / "a/b/digits", rendered(FIRST))
    assert tree(tmp_path / "a/b/digits") == expected(FIRST)
    assert result.folder == tmp_path / "a/b/digits"
    assert result.written == tuple(sorted(expected(FIRST)))
    assert (result.removed, result.kept) == ((), ())
    assert [p.name for p in (tmp_path / "a/b").iterdir()] == ["digits"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    write_project(tmp_path / "digits", rendered(FIRST))
    assert tree(tmp_path) == {f"digits/{k}": v for k, v in expected(FIRST).items()}


def test_the_current_folder_stays_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inode = tmp_path.stat().st_ino
    write_project(Path(), rendered(FIRST))
    assert tree(tmp_path) == expected(FIRST)
    assert tmp_path.stat().st_ino == inode


def test_what_a_killed_export_left_beside_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".digits.tflm_ext").mkdir()
    (tmp_path / ".digits.tflm_ext/half").write_text("")
    write_project(tmp_path / "digits", rendered(FIRST))
    assert [p.name for p in tmp_path.iterdir()] == ["digits"]


@pytest.mark.parametrize("start", ["folder", "journal"])
def test_a_folder_with_only_the_rest_of_a_killed_export_is_empty(
    tmp_path: Path, start: str
) -> None:
    """The first export into an existing folder was killed before it had moved a file."""
    home = tmp_path / "digits/.tflm_ext"
    (home / "new").mkdir(parents=True)
    (home / "new/half").write_text("")
    if start == "journal":
        (home / "journal.json").write_text('{"schema": 1, "changes": []}')
    check_folder(tmp_path / "digits")
    write_project(tmp_path / "digits", rendered(FIRST))
    assert tree(tmp_path / "digits") == expected(FIRST)


def test_a_mount_point_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").mkdir()
    inode = (tmp_path / "digits").stat().st_ino
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "digits")
    write_project(tmp_path / "digits", rendered(FIRST))
    assert tree(tmp_path / "digits") == expected(FIRST)
    assert (tmp_path / "digits").stat().st_ino == inode


def test_only_programs_are_executable(tmp_path: Path) -> None:
    files = rendered({"a.sh": "x", "b.txt": "x"})
    files[0] = RenderedFile.text("a.sh", "x", executable=True)
    write_project(tmp_path / "p", files)
    assert (tmp_path / "p/a.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "p/b.txt").stat().st_mode & stat.S_IXUSR


# A folder that contains our project


def test_an_update_replaces_adds_and_removes(project: Path) -> None:
    result = write_project(project, rendered(SECOND))
    assert tree(project) == expected(SECOND)
    assert result.removed == ("platforms/tflm_ext_m4_11111111/main.py",)
    assert "lib/Digits/src/tflm_ext/new.h" in result.written
    assert "lib/Digits/src/same.h" not in result.written


def test_files_that_do_not_change_keep_their_times(project: Path) -> None:
    same, changed = project / "lib/Digits/src/same.h", project / "README.md"
    for path in (same, changed):
        os.utime(path, (1, 1))
    write_project(project, rendered(SECOND))
    assert same.stat().st_mtime == 1
    assert changed.stat().st_mtime > 1


def test_an_export_without_changes_writes_nothing(project: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in project.rglob("*")}
    assert write_project(project, rendered(FIRST)).written == ()
    assert {p: p.stat().st_mtime_ns for p in project.rglob("*")} == before


def test_foreign_files_stay(project: Path) -> None:
    foreign = {
        ".git/config": "git",
        ".pio/build/x.o": "object",
        "lib/Mine/mine.h": "mine",
        "platforms/tflm_ext_m4_11111111/mine.txt": "mine",
        "src/mine.cpp": "mine",
    }
    for path, text in foreign.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    inodes = {path: (project / path).stat().st_ino for path in foreign}
    write_project(project, rendered(SECOND), overwrite=True)
    assert tree(project) == expected(SECOND) | foreign
    assert {path: (project / path).stat().st_ino for path in foreign} == inodes


# Edited files


@pytest.mark.parametrize(
    "path",
    [
        "lib/Digits/src/digits_model.c",
        "lib/Digits/src/same.h",
        "model/digits.tflite",
        "platforms/tflm_ext_m4_11111111/main.py",
    ],
)
def test_an_edited_generated_file_is_an_error_without_overwrite(project: Path, path: str) -> None:
    (project / path).write_text("edited")
    before = tree(project)
    with pytest.raises(ConfigError) as error:
        write_project(project, rendered(SECOND))
    assert str(error.value) == (
        f"{project}: {path} was edited since the last export.\n"
        "Save your changes elsewhere, then export with overwrite=True (--overwrite)."
    )
    assert tree(project) == before
    write_project(project, rendered(SECOND), overwrite=True)
    assert tree(project) == expected(SECOND)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (2, r"digits_model\.c, lib/Digits/src/same\.h were"),
        (3, r"same\.h, model/digits\.tflite were"),
        (4, r"same\.h, model/digits\.tflite and 1 more were"),
    ],
)
def test_many_edited_files_make_a_short_message(project: Path, count: int, message: str) -> None:
    generated = [path for path in FIRST if path.startswith(("lib/", "model/", "platforms/"))]
    for path in ("README.md", *generated[:count]):
        (project / path).write_text("edited")
    with pytest.raises(ConfigError, match=message):
        write_project(project, rendered(SECOND))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("path", ["README.md", "platformio.ini", "src/main.cpp"])
def test_an_edited_file_of_the_user_is_kept(project: Path, path: str, overwrite: bool) -> None:
    (project / path).write_text("edited")
    result = write_project(project, rendered(SECOND), overwrite=overwrite)
    assert result.kept == (path,)
    assert tree(project) == expected(SECOND) | {path: "edited", f"{path}.new": "second"}

    # The next export compares with the last generated text, and updates the .new file.
    third = SECOND | {path: "third"}
    assert write_project(project, rendered(third)).kept == (path,)
    assert tree(project) == expected(third) | {path: "edited", f"{path}.new": "third"}

    # Once the user has copied the new text, the .new file is no longer needed.
    (project / path).write_text("third")
    assert write_project(project, rendered(third)).kept == ()
    assert tree(project) == expected(third)


def test_a_file_in_the_place_of_the_new_text_is_not_lost(project: Path) -> None:
    (project / "README.md").write_text("edited")
    (project / "README.md.new").write_text("mine")
    before = tree(project)
    with pytest.raises(ConfigError) as error:
        write_project(project, rendered(SECOND))
    assert str(error.value) == (
        f"{project}/README.md.new was edited, but the new README.md must be written to it.\n"
        "Copy what you need to README.md, then remove README.md.new."
    )
    assert tree(project) == before


def test_overwrite_replaces_an_edited_new_text(project: Path) -> None:
    (project / "README.md").write_text("edited")
    (project / "README.md.new").write_text("mine")
    assert write_project(project, rendered(SECOND), overwrite=True).kept == ("README.md",)
    assert tree(project) == expected(SECOND) | {"README.md": "edited", "README.md.new": "second"}


def test_a_file_with_the_name_of_a_new_text_that_is_not_needed_stays(project: Path) -> None:
    (project / "README.md.new").write_text("mine")
    write_project(project, rendered(SECOND))
    assert tree(project) == expected(SECOND) | {"README.md.new": "mine"}


def test_an_edited_file_that_is_no_longer_generated_is_kept(project: Path) -> None:
    (project / "src/main.cpp").write_text("edited")
    third = {path: text for path, text in FIRST.items() if path != "src/main.cpp"}
    assert write_project(project, rendered(third)).kept == ("src/main.cpp",)
    assert tree(project) == expected(third) | {"src/main.cpp": "edited"}


def test_a_deleted_file_comes_back(project: Path) -> None:
    (project / "lib/Digits/src/same.h").unlink()
    (project / "README.md").unlink()
    result = write_project(project, rendered(FIRST))
    assert result.written == ("README.md", "lib/Digits/src/same.h")
    assert tree(project) == expected(FIRST)


def test_a_foreign_file_in_the_way_counts_as_edited(project: Path) -> None:
    (project / "lib/Digits/src/tflm_ext").mkdir()
    (project / "lib/Digits/src/tflm_ext/new.h").write_text("mine")
    with pytest.raises(ConfigError, match=r"new\.h was edited"):
        write_project(project, rendered(SECOND))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["folder", "empty folder", "pipe", "link"])
@pytest.mark.parametrize(
    "path",
    ["README.md", "lib/Digits/src/same.h", "model/digits.tflite", "src/main.cpp"],
)
def test_what_is_no_file_stays_where_a_file_is_no_longer_generated(
    project: Path, tmp_path: Path, path: str, kind: str, overwrite: bool
) -> None:
    """Anything that the user puts in the place of a generated file, in any folder."""
    (project / path).unlink()
    if kind == "pipe":
        os.mkfifo(project / path)
    elif kind == "link":
        (tmp_path / "mine").write_text("mine")
        (project / path).symlink_to(tmp_path / "mine")
    else:
        (project / path).mkdir()
    if kind == "folder":
        (project / path / "thesis.tex").write_text("years of work")
    before = (project / path).lstat()
    fewer = {name: text for name, text in FIRST.items() if name != path}
    protected_link = kind == "link" and path.startswith(("lib/", "model/"))
    if protected_link and not overwrite:
        with pytest.raises(ConfigError, match="was edited"):
            write_project(project, rendered(fewer))
    elif protected_link:
        # A link counts as an edited file, which overwrite= discards; its target is not touched.
        assert write_project(project, rendered(fewer), overwrite=True).removed == (path,)
        assert (tmp_path / "mine").read_text() == "mine"
        return
    else:
        assert write_project(project, rendered(fewer), overwrite=overwrite).kept == (path,)
    after = (project / path).lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    if kind == "folder":
        assert (project / path / "thesis.tex").read_text() == "years of work"


# A file that is written once


APP = RenderedFile.text("src/app.cpp", "template", once=True)


def test_a_file_that_is_written_once_belongs_to_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    app = folder / "src/app.cpp"
    result = write_project(folder, [APP, *rendered(FIRST)])
    assert "src/app.cpp" in result.written
    assert app.read_text() == "template"
    app.write_text("mine")
    changed = [replace(APP, content=b"new template"), *rendered(SECOND)]
    for overwrite in (False, True):
        result = write_project(folder, changed, overwrite=overwrite)
        assert tree(folder) == {**expected(SECOND), "src/app.cpp": "mine"}
        assert "src/app.cpp" not in (*result.written, *result.kept, *result.removed)


def test_a_file_that_is_written_once_stays_when_it_is_no_longer_generated(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    write_project(folder, [APP, *rendered(FIRST)])
    assert write_project(folder, rendered(SECOND), overwrite=True).removed == (
        "platforms/tflm_ext_m4_11111111/main.py",
    )
    assert tree(folder) == {**expected(SECOND), "src/app.cpp": "template"}


def test_a_file_that_is_written_once_is_added_later_and_comes_back(project: Path) -> None:
    for _ in range(2):
        assert write_project(project, [APP, *rendered(FIRST)]).written == ("src/app.cpp",)
        assert tree(project) == {**expected(FIRST), "src/app.cpp": "template"}
        (project / "src/app.cpp").unlink()


def test_a_link_in_the_place_of_a_file_that_is_written_once_stays(
    project: Path, tmp_path: Path
) -> None:
    """Even if it leads nowhere: the user may have put it on a drive that is not there."""
    (project / "src/app.cpp").symlink_to(tmp_path / "elsewhere.cpp")
    assert write_project(project, [APP, *rendered(FIRST)]).written == ()
    assert (project / "src/app.cpp").is_symlink()
    assert not (tmp_path / "elsewhere.cpp").exists()


def test_a_report_that_lists_a_file_that_is_written_once_is_a_bug(tmp_path: Path) -> None:
    files = rendered({**FIRST, APP.path: "template"})
    with pytest.raises(ValueError, match=r"report\.json does not match the generated files"):
        write_project(tmp_path / "digits", [replace(f, once=f.path == APP.path) for f in files])
    assert not any(tmp_path.iterdir())


# Folders that are not ours


@pytest.mark.parametrize(
    "report",
    [
        None,
        "",
        "[]",
        "{}",
        "not json",
        "[" * 100_000,
        '{"schema": 0, "tool": {"name": "tflm_ext"}, "files": []}',
        '{"schema": 1, "tool": {"name": "other"}, "files": []}',
        '{"schema": 1, "tool": "tflm_ext", "files": []}',
        '{"schema": 1, "tool": {"name": "tflm_ext"}, "files": [{"path": []}]}',
        '{"schema": 1, "tool": {"name": "tflm_ext"}, "files": [{"path": "../x", "sha256": ""}]}',
        '{"schema": 1, "tool": {"name": "tflm_ext"}, "files": [{"path": "/etc/x", "sha256": ""}]}',
        '{"schema": 1, "tool": {"name": "tflm_ext"}, "files": [{"path": "a", "sha256": 1}]}',
    ],
)
def test_a_folder_that_is_not_ours_is_not_touched(tmp_path: Path, report: str | None) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    if report is not None:
        (folder / "report.json").write_text(report)
    before = tree(tmp_path)
    with pytest.raises(ConfigError) as error:
        write_project(folder, rendered(FIRST), overwrite=True)
    assert str(error.value) == (
        f"{folder} is neither empty nor a project of tflm_ext.\n"
        "Choose a different folder, or empty this one."
    )
    assert tree(tmp_path) == before


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("mine")
    with pytest.raises(ConfigError) as error:
        write_project(tmp_path / "digits", rendered(FIRST))
    assert str(error.value) == (
        f"{tmp_path}/digits is not a folder.\nChoose a different project folder."
    )
    for below in ("digits/below", "digits/far/below"):
        for call in (partial(write_project, files=rendered(FIRST)), check_folder):
            with pytest.raises(ConfigError) as error:
                call(tmp_path / below)
            assert str(error.value) == (
                f"{tmp_path / below} cannot be written, because {tmp_path}/digits is not a folder."
                "\nChoose a different folder."
            )
    assert tree(tmp_path) == {"digits": "mine"}


# Links


def test_a_link_to_a_project_is_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    assert write_project(tmp_path / "link", rendered(SECOND)).folder == project
    assert tree(project) == expected(SECOND)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_to_nothing_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ConfigError, match="is a broken link"):
        write_project(tmp_path / "link", rendered(FIRST))
    assert tree(tmp_path) == {"link": f"-> {target}"}


@pytest.mark.parametrize("path", ["lib", "lib/Digits/src", "src", "platforms"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_a_link(
    project: Path, tmp_path: Path, path: str, overwrite: bool
) -> None:
    outside = tmp_path / "outside"
    (project / path).rename(outside)
    (project / path).symlink_to(outside)
    before = tree(tmp_path)
    with pytest.raises(ConfigError) as error:
        write_project(project, rendered(SECOND), overwrite=overwrite)
    assert str(error.value) == (
        f"{project / path} must be a folder, but it is a link or a file.\n"
        "Remove it, or choose a different folder."
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("path", ["README.md", "lib/Digits/src/digits_model.c"])
def test_a_linked_file_counts_as_edited(project: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").write_text(FIRST[path])
    (project / path).unlink()
    (project / path).symlink_to(tmp_path / "outside")
    result = write_project(project, rendered(SECOND), overwrite=True)
    assert (tmp_path / "outside").read_text() == FIRST[path]
    assert (project / path).is_symlink() == (path == "README.md")
    assert result.kept == (("README.md",) if path == "README.md" else ())


def test_a_folder_in_the_way_of_a_file_is_refused(project: Path) -> None:
    (project / "README.md").unlink()
    (project / "README.md").mkdir()
    (project / "README.md/mine").write_text("mine")
    with pytest.raises(ConfigError, match=r"README\.md is in the place of a generated file"):
        write_project(project, rendered(SECOND), overwrite=True)
    without = {path: text for path, text in FIRST.items() if path != "README.md"}
    assert write_project(project, rendered(without), overwrite=True).kept == ("README.md",)
    assert (project / "README.md/mine").read_text() == "mine"


def test_a_link_in_the_place_of_our_folder_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/mine").write_text("mine")
    (project / ".tflm_ext").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="tflm_ext needs a temporary folder with that name"):
        write_project(project, rendered(SECOND))
    assert (tmp_path / "outside/mine").read_text() == "mine"


# Disk and permissions


def test_a_full_disk_changes_nothing(project: Path) -> None:
    code = f"""
import resource, signal, sys
from pathlib import Path
from tests.project.test_write import FIRST, StorageError, rendered, write_project
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
big = dict(FIRST, **{{"lib/Digits/src/weights.c": "x" * 6000}})
for folder in ({str(project)!r}, {str(project.parent / "new/er")!r}):
    try:
        write_project(Path(folder), rendered(big))
    except StorageError as error:
        print(error)
"""
    before = tree(project.parent)
    result = run_python(code, cwd=ROOT, timeout=60)
    assert result.stdout == (
        f"{project} could not be written: File too large.\n"
        "Choose a different folder, or check the disk.\n"
        f"{project.parent}/new/er could not be written: File too large.\n"
        "Choose a different folder, or check the disk.\n"
    )
    assert tree(project.parent) == before


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free some space, then export the model again."),
        (errno.EDQUOT, "Free some space, then export the model again."),
        (errno.EACCES, "Choose a writable folder, or fix the permissions."),
        (errno.EPERM, "Choose a writable folder, or fix the permissions."),
        (errno.EROFS, "Choose a writable folder, or fix the permissions."),
        (errno.EIO, "Choose a different folder, or check the disk."),
    ],
)
def test_the_hint_fits_the_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as error:
        write_project(project, rendered(SECOND))
    assert str(error.value) == (f"{project} could not be written: {os.strerror(number)}.\n{hint}")
    assert tree(project) == expected(FIRST)


def test_no_permission_changes_nothing(project: Path) -> None:
    (project / "lib/Digits/src").chmod(0o500)
    code = f"""
import os
from pathlib import Path
from tests.project.test_write import SECOND, StorageError, rendered, write_project
if os.geteuid() == 0:
    for folder in [Path({str(project)!r}), *Path({str(project)!r}).rglob("*")]:
        os.chown(folder, 65534, 65534)
    os.seteuid(65534)
try:
    write_project(Path({str(project)!r}), rendered(SECOND))
except StorageError as error:
    print(error)
"""
    for folder in project.parents[:3]:
        folder.chmod(0o755)
    result = run_python(code, cwd=ROOT, timeout=60)
    (project / "lib/Digits/src").chmod(0o700)
    assert result.stdout == (
        f"{project} could not be written: Permission denied.\n"
        "Choose a writable folder, or fix the permissions.\n"
    ), result.stderr
    assert tree(project) == expected(FIRST)


# A fault at every step

DRIVER = """
import errno, os, shutil, signal, sys
from pathlib import Path
from tests.project.test_write import (
    APP, EDITED, FIRST, FOREIGN, SECOND, expected, rendered, recover, tree, write_project
)

FILES = [APP, *rendered(SECOND)]
ALL = expected(SECOND) | {APP.path: APP.content.decode()}

def fault_at(step, kind, folder):
    '''Export in a child in which file system operation `step` fails; its exit code.'''
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event not in ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir"):
            return
        count += 1
        if count == step or (kind == "broken disk" and count > step):
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "interrupt":
                raise KeyboardInterrupt
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sys.addaudithook(hook)
    try:
        write_project(folder, FILES, overwrite=True)
    except BaseException:
        os._exit(1)
    os._exit(0 if count < step else 2)

def main(top, kind, start):
    write_project(Path(top) / "warm", FILES)
    for step in range(1, 1000):
        outer = Path(top) / str(step)
        folder = outer / "digits"
        outer.mkdir()
        if start == "project":
            write_project(folder, rendered(FIRST))
            for path, text in (FOREIGN | EDITED).items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
        elif start == "empty":
            folder.mkdir()
        before = tree(outer)
        status = fault_at(step, kind, folder)
        yield step, status, outer, folder, before
        shutil.rmtree(outer)
        if status == 0:
            return
    raise AssertionError("the export never ended")

def after(start):
    if start != "project":
        return {f"digits/{k}": v for k, v in ALL.items()}
    files = ALL | FOREIGN | {"README.md": "edited", "README.md.new": "second"}
    return {f"digits/{k}": v for k, v in files.items()}

top, kind, start = sys.argv[1:]
undone = finished = steps = 0
for step, status, outer, folder, before in main(top, kind, start):
    steps += 1
    left = tree(outer)
    if kind in ("interrupt", "full") and status:
        # Nothing has to be fixed: all files are old, or all are new with only leftovers.
        left = {
            k: v for k, v in left.items()
            if not k.startswith("digits/.tflm_ext/") and v != "empty folder" or left == before
        }
        assert left in (before, after(start)), (step, left)
    recover(folder)
    left = {
        k: v for k, v in tree(outer).items()
        if not k.startswith((".digits.tflm_ext", "digits/.tflm_ext"))
        and (v != "empty folder" or start == "empty")
    }
    assert left in (before, after(start)), (step, left)
    undone += left == before
    finished += left == after(start)
    write_project(folder, FILES, overwrite=True)
    assert {k: v for k, v in tree(outer).items() if v != "empty folder"} == after(start), step
print(steps, undone, finished)
"""

FOREIGN = {".git/config": "git", "lib/Mine/mine.h": "mine", "src/mine.cpp": "mine"}
EDITED = {"README.md": "edited", "lib/Digits/src/digits_model.c": "edited"}


@pytest.mark.slow
@pytest.mark.parametrize("start", ["nothing", "empty", "project"])
@pytest.mark.parametrize("kind", ["kill", "interrupt", "full", "broken disk"])
def test_a_fault_at_every_step_leaves_all_old_or_all_new(
    tmp_path: Path, kind: str, start: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path), kind, start],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    steps, undone, finished = map(int, result.stdout.split())
    assert steps > 20
    assert undone > 5
    assert finished >= 1


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_an_error_at_any_move_undoes_the_export(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The user's edits are restored, too; only a kill leaves a journal."""
    for path, text in (FOREIGN | EDITED).items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    before, real, fails, moves = tree(project), Path.rename, 0, 0

    def rename(path: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves == fails:
            raise error
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    while moves >= fails:
        fails, moves = fails + 1, 0
        try:
            write_project(project, rendered(SECOND), overwrite=True)
        except (StorageError, KeyboardInterrupt):
            assert tree(project) == before
    assert fails > 5
    edited = {"README.md": "edited", "README.md.new": "second"}
    assert tree(project) == expected(SECOND) | FOREIGN | edited


def killed(folder: Path) -> None:
    """Export SECOND in a child that is killed when two files have changed."""
    code = f"""
import os, signal, sys
from pathlib import Path
from tests.project.test_write import SECOND, rendered, write_project
renamed = 0
def hook(event, arguments):
    global renamed
    renamed += event == "os.rename"
    if event == "os.rename" and renamed == 6:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
write_project(Path({str(folder)!r}), rendered(SECOND))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert result.returncode == -signal.SIGKILL
    assert (folder / ".tflm_ext/journal.json").exists()


def test_recover_finishes_a_killed_export(project: Path) -> None:
    killed(project)
    assert tree(project) != expected(SECOND)
    assert recover(project)
    assert tree(project) == expected(SECOND)
    assert not recover(project)


def test_the_next_export_finishes_a_killed_one_first(project: Path) -> None:
    killed(project)
    write_project(project, rendered(FIRST))
    assert tree(project) == expected(FIRST)


def test_what_was_edited_after_the_kill_is_not_lost(project: Path) -> None:
    killed(project)
    (project / "src/main.cpp").write_text("edited")
    assert recover(project)
    assert tree(project) == expected(SECOND) | {"src/main.cpp": "edited"}
    assert write_project(project, rendered(SECOND)).kept == ("src/main.cpp",)


@pytest.mark.parametrize(
    "journal",
    [
        "",
        "[]",
        "{}",
        '{"schema": 1, "changes": [{"path": "../../x", "before": null, "after": ""}]}',
        '{"schema": 1, "changes": [{"path": ".tflm_ext/x", "before": null, "after": ""}]}',
        '{"schema": 1, "changes": [{"path": "x", "before": 1, "after": ""}]}',
        '{"schema": 1, "changes": [{"path": "x"}]}',
    ],
)
def test_a_damaged_journal_is_an_error(project: Path, journal: str) -> None:
    (project / ".tflm_ext").mkdir()
    (project / ".tflm_ext/journal.json").write_text(journal)
    before = tree(project.parent)
    for call in (lambda: recover(project), lambda: write_project(project, rendered(SECOND))):
        with pytest.raises(ConfigError) as error:
            call()
        assert str(error.value) == (
            f"{project}/.tflm_ext/journal.json is damaged.\n"
            f"Remove {project}/.tflm_ext, then export the model again."
        )
    assert tree(project.parent) == before


@pytest.mark.parametrize("journal", ['{"schema": 2}', '{"schema": 9, "changes": [{"x": 1}]}'])
def test_a_journal_of_a_later_version_is_kept(project: Path, journal: str) -> None:
    (project / ".tflm_ext").mkdir()
    (project / ".tflm_ext/journal.json").write_text(journal)
    before = tree(project.parent)
    for call in (lambda: recover(project), lambda: write_project(project, rendered(SECOND))):
        with pytest.raises(ConfigError) as error:
            call()
        assert str(error.value) == (
            f"A later version of tflm_ext was interrupted while it was exporting to {project}.\n"
            "Install that version or a newer one, and export the model again."
        )
    assert tree(project.parent) == before


def test_an_empty_folder_in_a_folder_that_is_not_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be replaced by another folder, but it can be filled. Root may write everywhere."""
    folder = tmp_path / "ours"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path)
    write_project(folder, rendered(FIRST))
    assert tree(folder) == expected(FIRST)
    assert folder.stat().st_ino == before


def test_a_hostile_journal_cannot_leave_the_project(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "away").symlink_to(outside)
    (project / ".tflm_ext/new/away").mkdir(parents=True)
    (project / ".tflm_ext/new/away/x").write_text("x")
    changes = [{"path": "away/x", "before": None, "after": sha256("x")}]
    (project / ".tflm_ext/journal.json").write_text(json.dumps({"schema": 1, "changes": changes}))
    with pytest.raises(ConfigError, match="must be a folder"):
        recover(project)
    assert list(outside.iterdir()) == []


def test_two_exports_at_once_do_not_mix(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from tests.project.test_write import FIRST, SECOND, rendered, write_project
for files in [FIRST, SECOND] * 15:
    write_project(Path({str(tmp_path / "digits")!r}), rendered(files))
"""
    children = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    assert tree(tmp_path / "digits") == expected(SECOND)


@pytest.mark.parametrize("operation", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_an_export_waits_for_every_other_lock_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: int
) -> None:
    waits = []
    real = fcntl.flock

    def flock(lock: int, wanted: int) -> None:
        try:
            real(lock, wanted | fcntl.LOCK_NB)
        except BlockingIOError:
            waits.append(wanted)

    held = os.open(tmp_path, os.O_RDONLY)
    real(held, operation)
    monkeypatch.setattr(fcntl, "flock", flock)
    write_project(tmp_path / "digits", rendered(FIRST))
    os.close(held)
    assert len(waits) == 1


def test_recover_does_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    assert not recover(tmp_path / "nowhere")
    assert not recover(tmp_path)


# Requests that only a bug in tflm_ext can make


def test_two_files_of_the_same_name_are_a_bug(tmp_path: Path) -> None:
    files = rendered({"a": "x"})
    with pytest.raises(ValueError, match="two have the same name"):
        write_project(tmp_path / "p", [files[0], *files])


@pytest.mark.parametrize(
    "path", ["", "/etc/x", "../x", "a/../b", "a//b", "./a", "a\\b", "a\n", ".tflm_ext/x", "a\0"]
)
def test_a_generated_path_outside_the_project_is_a_bug(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="outside the project"):
        write_project(tmp_path / "p", rendered({path: "x"}))
    assert tree(tmp_path) == {}


def test_a_report_that_lists_other_files_is_a_bug(tmp_path: Path) -> None:
    files = [*rendered({"a": "x"})[1:], RenderedFile.text("a", "y")]
    with pytest.raises(ValueError, match="does not match the generated files"):
        write_project(tmp_path / "p", files)


# Any two projects

PATHS = st.sampled_from(["lib/a", "lib/b/c", "README.md", "src/x", "src/y", "test/t", "model/m"])
TREES = st.dictionaries(PATHS, st.sampled_from(["1", "2", "3"]), min_size=1)


@settings(max_examples=60, deadline=None)
@given(first=TREES, edits=TREES, second=TREES)
def test_no_edit_is_ever_lost_without_overwrite(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, str],
    edits: dict[str, str],
    second: dict[str, str],
) -> None:
    folder = tmp_path_factory.mktemp("any") / "p"
    write_project(folder, rendered(first))
    for path, text in edits.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    before = tree(folder)
    lost = {p: t for p, t in edits.items() if first.get(p) != t and second.get(p) != t}
    try:
        result = write_project(folder, rendered(second))
    except ConfigError:
        assert any(path.startswith(("lib/", "test/", "model/")) for path in lost)
        assert tree(folder) == before
        return
    after = tree(folder)
    assert {path: after.get(path) for path in lost} == lost
    assert set(result.kept) <= set(lost)
    for path, text in second.items():
        assert after[f"{path}.new" if path in result.kept else path] == text
