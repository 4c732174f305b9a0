"""Choice of the core folder for pio, and its speed."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tflm_ext.errors import StorageError
from tflm_ext.project import registry


def test_our_core_folder_is_complete_and_written_once(tmp_path: Path) -> None:
    core = registry.write_own_core(tmp_path / "core")
    assert registry.is_complete(core)
    before = {path: path.stat().st_mtime_ns for path in core.rglob("*") if path.is_file()}
    registry.write_own_core(core)
    assert before == {path: path.stat().st_mtime_ns for path in core.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "lost",
    [
        "platforms/native/platform.json",
        "packages/tool-scons/.piopm",
        "packages/tool-scons/scons.py",
    ],
)
def test_a_core_folder_with_a_hole_is_not_complete(lost: str, tmp_path: Path) -> None:
    core = registry.write_own_core(tmp_path)
    (core / lost).unlink()
    assert not registry.is_complete(core)


def test_a_core_folder_with_another_scons_is_not_complete(tmp_path: Path) -> None:
    core = registry.write_own_core(tmp_path)
    note = core / "packages/tool-scons/.piopm"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"version": "4.40801.0"}))
    assert not registry.is_complete(core)


def test_a_core_folder_of_another_platformio_is_not_complete(tmp_path: Path) -> None:
    core = registry.write_own_core(tmp_path)
    (core / "appstate.json").write_text('{"last_version": "6.0.0"}')
    assert not registry.is_complete(core)
    assert registry.is_complete(registry.write_own_core(core))


def test_without_a_registry_an_empty_home_gets_our_folder(offline: Path) -> None:
    core = registry.core_dir()
    assert core == offline / ".cache" / "tflm_ext" / "platformio"
    assert registry.is_complete(core)
    assert not (offline / ".platformio").exists()


def test_the_users_folder_serves_when_it_is_complete(offline: Path) -> None:
    registry.write_own_core(offline / ".platformio")
    assert registry.core_dir() == offline / ".platformio"
    assert not (offline / ".cache").exists()


def test_the_users_folder_serves_when_the_registry_answers(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "registry_reachable", lambda: True)
    assert registry.core_dir() == offline / ".platformio"
    assert not (offline / ".cache").exists()


def test_our_folder_is_mended_when_the_user_names_it(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = registry.own_core_dir()
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(own))
    assert registry.core_dir() == own
    assert registry.is_complete(own)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as caught:
        registry.write_own_core(tmp_path / "file" / "core")
    assert caught.value.problem.startswith("PlatformIO's core folder cannot be written: ")
    assert caught.value.hint == (
        "Free some space, or set PLATFORMIO_CORE_DIR to a writable folder."
    )


def test_a_registry_that_hangs_costs_two_seconds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def hang(*_: object, **__: object) -> None:
        ended.wait(10)
        raise TimeoutError

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    registry.registry_reachable.cache_clear()
    started = time.monotonic()
    assert not registry.registry_reachable()
    assert not registry.registry_reachable()
    assert time.monotonic() - started < 3
    ended.set()
    registry.registry_reachable.cache_clear()
