"""Write a project so that no failure leaves half of one and no work of the user is lost.

A new project is written beside its folder and renamed into place. One that exists is changed so:

1. the new files are written to <project>/.tflm_ext/new/;
2. <project>/.tflm_ext/journal.json says what is to change: from here on the export counts;
3. file by file, what is replaced moves to .tflm_ext/old/ and the new one to its place.

An error or Ctrl-C undoes step 3. A process that was killed left the journal, and the next start
finishes what it says. Every move of step 3 can be repeated, in both directions, and each looks
first whether the file is still the one it speaks of: what the user changed meanwhile stays.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.listing import HOME, REPORT, check_schema, is_inside, listed_files

# A file that was edited below these is an error; one elsewhere is kept.
GENERATED_FOLDERS = ("lib", "model", "platforms", "test")

_JOURNAL = f"{HOME}/journal.json"
_JOURNAL_SCHEMA = 1
_LINK = "link"
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a project's files; paths are relative to the project, sorted.

    Attributes:
        folder: the project, absolute, links resolved.
        written: new files and files with a new content.
        removed: files that are no longer generated.
        kept: files that the user edited. The new text of each lies beside it as <file>.new, unless
            the file is no longer generated.
    """

    folder: Path
    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """One file of the journal: what is there before and after, None for nothing."""

    path: str
    before: str | None
    after: str | None


def write_project(
    folder: Path, files: Sequence[RenderedFile], *, overwrite: bool = False
) -> WriteResult:
    """Write a project, or bring one that lies there up to date.

    Files of the project that did not change are not touched, so their times stay as they are.

    Args:
        folder: new, empty, or a project that was written by this function.
        files: the whole project, report.json with the SHA-256 of every other file among them.
        overwrite: lose what was edited below lib/, test/, model/ and platforms/.

    Raises:
        ConfigError: the folder is something else, or such a file was edited.
        StorageError: disk full or no permission; everything is as it was.
    """
    new = {file.path: file for file in files}
    _check_files(files)
    with _storage_errors(folder):
        root = _resolve(folder)
        with _parents(root), _locked(root.parent):
            if not root.exists():
                return _create(root, new)
            _recover(root)
            old = _generated(root)
            _check_ours(folder, root, old)
            _discard(root / HOME)
            if old is None and not _must_stay(root):
                return _create(root, new)
            return _update(root, new, old or {}, overwrite)


def check_folder(folder: Path) -> None:
    """Refuse early what write_project() would refuse after a long export.

    Raises:
        ConfigError: the folder is neither new, nor empty, nor a project of ours.
        StorageError: it cannot be read.
    """
    with _storage_errors(folder):
        root = _resolve(folder)
        if root.exists():
            _check_ours(folder, root, _generated(root))


def _check_ours(folder: Path, root: Path, generated: Mapping[str, str] | None) -> None:
    if generated is None and any(entry.name != HOME for entry in root.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and not a project of tflm_ext.",
            "Choose another folder, or empty this one.",
        )


def recover(folder: Path) -> bool:
    """Finish the export into a project that was killed; True if there was one.

    Whoever reads a project calls this first.

    Raises:
        ConfigError: the journal is damaged.
        StorageError: disk full or no permission.
    """
    with _storage_errors(folder):
        root = _resolve(folder)
        with _locked(root.parent):
            return _recover(root)


def _create(root: Path, new: Mapping[str, RenderedFile]) -> WriteResult:
    beside = root.with_name(f".{root.name}.tflm_ext")
    try:
        _discard(beside)
        for path, file in new.items():
            _write(beside / path, file)
        beside.rename(root)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return WriteResult(root, tuple(sorted(new)), (), ())


def _update(
    root: Path, new: Mapping[str, RenderedFile], old: Mapping[str, str], overwrite: bool
) -> WriteResult:
    changes, kept = _compare(root, new, old, overwrite)
    home, journal = root / HOME, root / _JOURNAL
    try:
        for change in changes:
            if change.after is not None:
                _write(home / "new" / change.path, new[change.path.removesuffix(".new")])
        if changes:
            text = json.dumps({"schema": _JOURNAL_SCHEMA, "changes": [asdict(c) for c in changes]})
            written = home / "journal.tmp"
            _write(written, RenderedFile.text(written.name, text))
            written.rename(journal)
            _apply(root, changes)
    except BaseException:
        if journal.exists():
            for change in reversed(changes):
                _backward(root, change)
            _remove_empty_folders(root, [c.path for c in changes if c.before is None])
            journal.unlink()
        shutil.rmtree(home, ignore_errors=True)
        raise
    shutil.rmtree(home, ignore_errors=True)
    return WriteResult(
        root,
        tuple(sorted(c.path for c in changes if c.after is not None)),
        tuple(sorted(c.path for c in changes if c.after is None)),
        tuple(kept),
    )


def _compare(
    root: Path, new: Mapping[str, RenderedFile], old: Mapping[str, str], overwrite: bool
) -> tuple[list[_Change], list[str]]:
    """What to change, report.json last, and which edited files are kept."""
    changes: list[_Change] = []
    kept: list[str] = []
    edited: list[str] = []
    for path in sorted({*new, *old}, key=lambda path: (path == REPORT, path)):
        after = _digest(new[path].content) if path in new else None
        found = _state(root, path, needed=path in new)
        generated = found in (None, after, old.get(path))
        protected = path.split("/", 1)[0] in GENERATED_FOLDERS
        if not generated and protected and found != _OTHER and not overwrite:
            edited.append(path)
        elif not generated and (found == _OTHER or not protected):
            kept.append(path)
        elif found != after:
            changes.append(_Change(path, found, after))

        beside = f"{path}.new"
        wanted = after if path in kept else None
        found = _state(root, beside, needed=wanted is not None)
        if wanted is not None and found not in (None, wanted, old.get(path)) and not overwrite:
            raise ConfigError(
                f"{root / beside} was edited, and {path} has a new text to go there.",
                f"Put what you need into {path} and remove {beside}.",
            )
        if found != wanted and (wanted is not None or found == old.get(path)):
            changes.insert(0, _Change(beside, found, wanted))
    if edited:
        more = f" and {len(edited) - 3} more" if len(edited) > 3 else ""
        raise ConfigError(
            f"{root}: {', '.join(edited[:3])}{more} {'was' if len(edited) == 1 else 'were'} "
            "edited after the last export.",
            "Save your changes elsewhere, then export with overwrite=True (--overwrite).",
        )
    return changes, kept


def _apply(root: Path, changes: Sequence[_Change]) -> None:
    for change in changes:
        _forward(root, change)
    _remove_empty_folders(root, [c.path for c in changes if c.after is None])
    (root / _JOURNAL).unlink()


def _forward(root: Path, change: _Change) -> None:
    if change.before is not None and _state(root, change.path) == change.before:
        _move(root, change.path, f"{HOME}/old/{change.path}")
    if change.after is not None:
        _move(root, f"{HOME}/new/{change.path}", change.path)


def _backward(root: Path, change: _Change) -> None:
    if change.after is not None and _state(root, change.path) == change.after:
        _move(root, change.path, f"{HOME}/new/{change.path}")
    if change.before is not None:
        _move(root, f"{HOME}/old/{change.path}", change.path)


def _move(root: Path, source: str, target: str) -> None:
    """Rename a file unless that was done before, or something of the user lies there now."""
    exists = _state(root, source) is not None
    if exists and _state(root, target, needed=True) is None:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / source).rename(root / target)


def _recover(root: Path) -> bool:
    if _state(root, _JOURNAL) is None:
        return False
    try:
        journal = json.loads((root / _JOURNAL).read_bytes())
        changes = [_Change(**change) for change in journal["changes"]]
        sound = journal["schema"] == _JOURNAL_SCHEMA and all(
            is_inside(c.path) and all(isinstance(s, str | None) for s in (c.before, c.after))
            for c in changes
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        raise ConfigError(
            f"{root / _JOURNAL} is damaged.",
            f"Remove {root / HOME}, then export again.",
        )
    _apply(root, changes)
    _discard(root / HOME)
    return True


def _generated(root: Path) -> dict[str, str] | None:
    """Path and SHA-256 of every generated file; None if the folder is no project of ours."""
    if _state(root, REPORT) in (None, _LINK, _OTHER):
        return None
    content = (root / REPORT).read_bytes()
    check_schema(root, content)
    found = listed_files(content)
    return None if found is None else {**found, REPORT: _digest(content)}


def _check_files(files: Sequence[RenderedFile]) -> None:
    """Refuse what only a bug of ours can produce."""
    digests = {file.path: _digest(file.content) for file in files}
    report = next((file.content for file in files if file.path == REPORT), b"")
    digests.pop(REPORT, None)
    if not all(is_inside(file.path) for file in files) or len(digests) + 1 != len(files):
        raise ValueError("a generated file lies outside the project, or there are two of a name")
    if listed_files(report) != digests:
        raise ValueError(f"{REPORT} does not list the generated files as they are")


def _state(root: Path, path: str, *, needed: bool = False) -> str | None:
    """What lies at a path: None for nothing, the SHA-256 of a file, "link" or "other".

    A path that leads through a link or a file lies outside the project: nothing is there.

    Raises:
        ConfigError: it does, and needed says that a file has to be written there.
    """
    parts = path.split("/")
    place = root
    for part in parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            if needed:
                raise ConfigError(
                    f"{place} has to be a folder of its own, and is a link or a file.",
                    "Remove it, or choose another folder.",
                )
            return None
    place /= parts[-1]
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return _LINK
    if stat.S_ISREG(mode):
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if needed:
        raise ConfigError(
            f"{place} is in the way of a generated file.", "Remove it, or choose another folder."
        )
    return _OTHER


def _write(place: Path, file: RenderedFile) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o777 if file.executable else 0o666
    with open(place, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
        out.write(file.content)
        out.flush()
        os.fsync(out.fileno())


def _discard(folder: Path) -> None:
    """Remove what an earlier export left, which is ours; a link of that name is not."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(
            f"{folder} is a link or a file; tflm_ext keeps a folder there while it works.",
            "Remove it, or choose another folder.",
        )
    if folder.exists():
        shutil.rmtree(folder)


def _remove_empty_folders(root: Path, paths: Sequence[str]) -> None:
    for folder in sorted({p for path in paths for p in Path(path).parents[:-1]}, reverse=True):
        with contextlib.suppress(OSError):  # not empty, or gone already
            if not (root / folder).is_symlink():
                (root / folder).rmdir()


def _resolve(folder: Path) -> Path:
    if folder.is_symlink() and not folder.exists():
        raise ConfigError(f"{folder} is a link to nothing.", "Remove it, or name its target.")
    root = Path(os.path.realpath(folder))
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{folder} is not a folder.", "Choose another name for the project.")
    return root


def _must_stay(root: Path) -> bool:
    """Whether an empty folder cannot be replaced by another of its name."""
    return root.is_mount() or root.samefile(Path())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _parents(root: Path) -> Iterator[None]:
    """Make the folders above a project; those that are new go again if the project fails."""
    made = [parent for parent in root.parents if not parent.exists()]
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one export at a time write into a folder, where its file system can lock folders."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some space and export again."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "Choose a folder that you may write to, or mend the permissions."
        else:
            hint = "Choose another folder, or mend the disk."
        raise StorageError(f"{folder} could not be written: {reason}.", hint) from error
