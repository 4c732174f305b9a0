"""Writes a project completely or not at all, without losing any of the user's work.

A new project is written next to its folder, and renamed into place. To change an existing one:

1. the new files are written to <project>/.tflm_ext/new/;
2. <project>/.tflm_ext/journal.json lists the changes: from here on, the export will be completed;
3. one by one, old files move to .tflm_ext/old/, and new files to their places.

An error or Ctrl-C undoes step 3. A process that was killed leaves the journal, and the next start
completes it. Every move of step 3 can be repeated, in both directions, and each move first checks
that the file is still the expected one: files that the user has changed in the meantime are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.listing import HOME, REPORT, check_schema, is_inside, listed_files
from tflm_ext.project.spared import check_not_replaced, check_not_temporary, removable
from tflm_ext.storage import check_writable, not_written, require_folders

# An edited file below these folders is an error; edited files elsewhere are kept.
GENERATED_FOLDERS = ("lib", "model", "platforms", "test")

_JOURNAL = f"{HOME}/journal.json"
_JOURNAL_SCHEMA = 1
_LINK = "link"
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Changes to a project's files; paths are relative to the project and sorted.

    Attributes:
        folder: the project, absolute, links resolved.
        written: new files, and files with new content.
        removed: files that are no longer generated.
        kept: files that the user edited. The new text of each is in <file>.new, unless the file is
            no longer generated.
    """

    folder: Path
    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """One file in the journal: its state before and after; None if there is no file."""

    path: str
    before: str | None
    after: str | None


def write_project(
    folder: Path,
    files: Sequence[RenderedFile],
    *,
    overwrite: bool = False,
    spared: Path | None = None,
) -> WriteResult:
    """Write a project, or update an existing one.

    Unchanged files are not touched, so their modification times do not change.

    Args:
        folder: new, empty, or a project that was written by this function.
        files: the whole project, including report.json with the SHA-256 of all other files except
            those that are written once.
        overwrite: discard the user's changes to files below lib/, test/, model/ and platforms/.
        spared: a file that stays even if an earlier export wrote it and this one does not.

    Raises:
        ConfigError: the folder is something else, or files below those folders were edited.
        StorageError: the disk is full, or a permission is missing; nothing has changed.
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
            check_not_replaced(root, new, spared)
            new = {
                p: file for p, file in new.items() if not (file.once and os.path.lexists(root / p))
            }
            _discard(root / HOME)
            if old is None and not _must_stay(root):
                return _create(root, new)
            return _update(root, new, removable(old or {}, root, spared), overwrite)


def check_folder(folder: Path, spared: Path | None = None) -> None:
    """Check early, before a long export, that write_project() will accept a folder.

    Args:
        spared: as for write_project().

    Raises:
        ConfigError: the folder is not new, empty, or one of our projects; or the file is in the
            folder for temporary files.
        StorageError: it cannot be read; or it is new or empty, and nothing can be written there.
    """
    with _storage_errors(folder):
        root = _resolve(folder)
        check_not_temporary(root, spared)
        generated = _generated(root) if root.exists() else None
        if root.exists():
            _check_ours(folder, root, generated)
        if generated is None:
            _check_writable(root)


def _check_writable(root: Path) -> None:
    """Raise the OSError that creating a new project would end with."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    check_writable(place, _beside(root).name, *root.parts)


def _check_ours(folder: Path, root: Path, generated: Mapping[str, str] | None) -> None:
    if generated is None and any(entry.name != HOME for entry in root.iterdir()):
        raise ConfigError(
            f"{folder} is neither empty nor a project of tflm_ext.",
            "Choose a different folder, or empty this one.",
        )


def recover(folder: Path) -> bool:
    """Complete an export that was killed, if there was one; call this before reading a project.

    Returns:
        Whether there was one.

    Raises:
        ConfigError: the journal is damaged.
        StorageError: the disk is full, or a permission is missing.
    """
    with _storage_errors(folder):
        root = _resolve(folder)
        with _locked(root.parent):
            return _recover(root)


def _create(root: Path, new: Mapping[str, RenderedFile]) -> WriteResult:
    beside = _beside(root)
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
    """Return the changes, report.json last, and the edited files that are kept."""
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
                f"{root / beside} was edited, but the new {path} must be written to it.",
                f"Copy what you need to {path}, then remove {beside}.",
            )
        if found != wanted and (wanted is not None or found == old.get(path)):
            changes.insert(0, _Change(beside, found, wanted))
    if edited:
        more = f" and {len(edited) - 3} more" if len(edited) > 3 else ""
        raise ConfigError(
            f"{root}: {', '.join(edited[:3])}{more} {'was' if len(edited) == 1 else 'were'} "
            "edited since the last export.",
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
    """Rename a file, unless it has already been renamed, or the user has put a file there."""
    exists = _state(root, source) is not None
    if exists and _state(root, target, needed=True) is None:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / source).rename(root / target)


def _recover(root: Path) -> bool:
    if _state(root, _JOURNAL) is None:
        return False
    try:
        journal = json.loads((root / _JOURNAL).read_bytes())
        later = type(journal["schema"]) is int and journal["schema"] > _JOURNAL_SCHEMA
        changes = [] if later else [_Change(**change) for change in journal["changes"]]
        sound = journal["schema"] == _JOURNAL_SCHEMA and all(
            is_inside(c.path) and all(isinstance(s, str | None) for s in (c.before, c.after))
            for c in changes
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = later = False
    if later:
        raise ConfigError(
            f"A later version of tflm_ext was interrupted while it was exporting to {root}.",
            "Install that version or a newer one, and export the model again.",
        )
    if not sound:
        raise ConfigError(
            f"{root / _JOURNAL} is damaged.",
            f"Remove {root / HOME}, then export the model again.",
        )
    _apply(root, changes)
    _discard(root / HOME)
    return True


def _generated(root: Path) -> dict[str, str] | None:
    """Return path and SHA-256 of all generated files; None if this is not one of our projects."""
    if _state(root, REPORT) in (None, _LINK, _OTHER):
        return None
    content = (root / REPORT).read_bytes()
    check_schema(root, content)
    found = listed_files(content)
    return None if found is None else {**found, REPORT: _digest(content)}


def _check_files(files: Sequence[RenderedFile]) -> None:
    """Raise ValueError for inconsistencies that only a bug in tflm_ext can cause."""
    digests = {file.path: _digest(file.content) for file in files if not file.once}
    report = next((file.content for file in files if file.path == REPORT), b"")
    digests.pop(REPORT, None)
    paths = {file.path for file in files}
    if not all(is_inside(file.path) for file in files) or len(paths) != len(files):
        raise ValueError("a generated file is outside the project, or two have the same name")
    if listed_files(report) != digests:
        raise ValueError(f"{REPORT} does not match the generated files")


def _state(root: Path, path: str, *, needed: bool = False) -> str | None:
    """Return the state of a path: None for nothing, the SHA-256 of a file, "link" or "other".

    A path that leads through a link or a file is outside the project, and counts as nothing.

    Raises:
        ConfigError: it leads through a link or a file, and a file must be written to it (needed).
    """
    parts = path.split("/")
    place = root
    for part in parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            if needed:
                raise ConfigError(
                    f"{place} must be a folder, but it is a link or a file.",
                    "Remove it, or choose a different folder.",
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
            f"{place} is in the place of a generated file.",
            "Remove it, or choose a different folder.",
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
    """Remove what an earlier export left; a link with that name is not ours."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(
            f"{folder} is a link or a file, but tflm_ext needs a temporary folder with that name.",
            "Remove it, or choose a different folder.",
        )
    if folder.exists():
        shutil.rmtree(folder)


def _remove_empty_folders(root: Path, paths: Sequence[str]) -> None:
    for folder in sorted({p for path in paths for p in Path(path).parents[:-1]}, reverse=True):
        with contextlib.suppress(OSError):  # not empty, or already removed
            if not (root / folder).is_symlink():
                (root / folder).rmdir()


def _resolve(folder: Path) -> Path:
    require_folders(folder)
    if folder.is_symlink() and not folder.exists():
        raise ConfigError(f"{folder} is a broken link.", "Remove it, or pass its target.")
    root = Path(os.path.realpath(folder))
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{folder} is not a folder.", "Choose a different project folder.")
    return root


def _beside(root: Path) -> Path:
    """Return the folder in which a new project is written before it is renamed."""
    return root.with_name(f".{root.name}.tflm_ext")


def _must_stay(root: Path) -> bool:
    """Whether an empty folder cannot be replaced by renaming another folder."""
    return root.is_mount() or root.samefile(Path()) or not os.access(root.parent, os.W_OK)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _parents(root: Path) -> Iterator[None]:
    """Create the folders above a project; if writing fails, remove the new ones."""
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
    """Allow only one export at a time to a folder, if its file system supports locks."""
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
        raise not_written(folder, error, "export the model again") from error
