"""Random bytes and damaged files end in segments or in an error of tflm_ext, and leave no files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.signals.test_recordings_hostile import damaged
from tests.store.motions import SOURCE, contents, drawn, record
from tests.store.test_recordings import torn
from tflm_ext.errors import ConfigError, TflmExtError
from tflm_ext.store import Store
from tflm_ext.store.exports import export_file, export_npz
from tflm_ext.store.imports import import_file

NAMES = ("a.json", "a.cbor", "a.csv", "a.npz", "a.wav")


def _seed(folder: Path, name: str) -> bytes:
    """A file that can be imported."""
    store = Store(folder / "seed")
    segment = record(store, "wave", drawn(0, 12), "b")
    if name.endswith(".npz"):
        torn(store)
        return export_npz(folder / name, store.segments()).read_bytes()
    if name.endswith(".wav"):
        return segment.path.read_bytes()
    return export_file(folder / name, [segment], key="k").read_bytes()


def _survives(folder: Path, path: Path, number: int) -> bool:
    """Whether a file is imported; everything else must be a TflmExtError, and leave nothing."""
    store = Store(folder)
    before = contents(folder)
    source = SOURCE if number % 2 else None
    try:
        found = import_file(store, path, "wave" if number % 3 else None, source=source)
    except TflmExtError as error:
        assert error.problem
        assert error.hint
        assert contents(folder) == before
        return False
    assert all(one.path.parent.parent == folder for one in found)
    assert sum(len(one.read()) for one in found) > 0
    return True


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    if name.endswith(".cbor"):
        pytest.importorskip("cbor2")
    content = _seed(tmp_path, name)
    path = tmp_path / "files" / name
    path.parent.mkdir()
    path.write_bytes(content)
    assert _survives(tmp_path / "store", path, 1)
    random = np.random.default_rng(len(name))
    read = 0
    for number in range(200):
        path.write_bytes(damaged(content, random))
        read += _survives(tmp_path / f"store{number}", path, number)
    assert read < 200
    names = {file.name for file in tmp_path.iterdir()}
    assert all(one.startswith(("store", "seed", "files", "a.")) for one in names)


@pytest.mark.parametrize("name", NAMES)
def test_random_bytes(tmp_path: Path, name: str) -> None:
    if name.endswith(".cbor"):
        pytest.importorskip("cbor2")
    random = np.random.default_rng(3)
    path = tmp_path / name
    heads = (b"", b"\xa3", b"\xbf\x69protected", b"PK\3\4", b"{", b"RIFF", b"time_ns,x [counts]\n")
    for number in range(150):
        path.write_bytes(heads[number % len(heads)] + random.bytes(int(random.integers(0, 200))))
        assert not _survives(tmp_path / "store", path, number)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"), (b"\x9b" + b"\xff" * 8, "cut off"), (b"\x7b" + b"\xff" * 8, "cut off"),
        (b"\x81" * 5000 + b"\x00", "nested deeply"), (b"\x9f" * 5000, "nested deeply"),
        (b"\x81" * 20 + b"\x00", "nested deeply"),
        (b"\xc2\x41\x00", "bytes or tags"), (b"\xd8\x1c\x80", "bytes or tags"),
        (b"\x41\x00", "bytes or tags"), (b"\x5f\xff", "kind"), (b"\x7f\x61a\xff", "in pieces"),
        (b"\xff", "an end where"), (b"\x81\xff", "an end where"), (b"\x00\x00", "follow its end"),
        (b"\x1c", "unknown kind"), (b"\x18", "cut off"), (b"\x61\xff", "not CBOR"),
        (b"\xbf\x00\xff", "not CBOR"), (b"\xa1\x80\x00", "protected"), (b"\x00", "protected"),
    ],
)  # fmt: skip
def test_hostile_cbor(tmp_path: Path, data: bytes, why: str) -> None:
    pytest.importorskip("cbor2")
    path = tmp_path / "a.cbor"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as error:
        import_file(Store(tmp_path / "store"), path, "wave")
    if why != "protected":  # a key that cannot be one is refused before or after
        assert why in error.value.problem


def _zip(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return file.getvalue()


def _bomb(archive: zipfile.ZipFile) -> None:
    header = b"\x93NUMPY\1\0\x76\0" + b"{'descr': '<i2', 'fortran_order': False, 'shape': (9, 1), }"
    with archive.open("a.npy", "w", force_zip64=True) as member:
        member.write(header.ljust(128))
        for _ in range(2):
            member.write(bytes(1 << 20))


def _objects(archive: zipfile.ZipFile) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    archive.writestr("a.npy", file.getvalue())


def _escaping(archive: zipfile.ZipFile) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((4, 3), np.int16))
    archive.writestr("../../up/a-1.npy", file.getvalue())


@pytest.mark.parametrize(
    ("fill", "why"),
    [(_bomb, "1 GiB"), (_objects, "integers or floats"), (lambda archive: None, "no arrays")],
    ids=["bomb", "objects", "empty"],
)
def test_hostile_archives(
    tmp_path: Path,
    fill: Callable[[zipfile.ZipFile], None],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tflm_ext.store.arrays._MOST_BYTES", 1 << 20)
    path = tmp_path / "a.npz"
    path.write_bytes(_zip(fill))
    with pytest.raises(ConfigError, match=why):
        import_file(Store(tmp_path / "store"), path, "wave", source=SOURCE)
    assert not (tmp_path / "store").exists()


def test_names_in_archives_never_leave_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(_zip(_escaping))
    (found,) = import_file(Store(tmp_path / "store"), path, "wave", source=SOURCE)
    assert found.name == "wave/a-1"
    assert set(contents(tmp_path)) == {"a.npz", "store/wave/a-1.json", "store/wave/a-1.wav"}
