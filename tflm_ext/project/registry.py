"""PlatformIO's core folder: the user's, or our own if the registry cannot be reached.

Two parts of PlatformIO come only from its registry: the platform `native` and the package
`tool-scons`. Without them, `pio` waits a minute for the registry, then fails. Our replacements are
a few lines each; our `tool-scons` starts SCons from PyPI.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from tflm_ext.emit.render import verbatim
from tflm_ext.errors import StorageError, ToolError

REGISTRY = "https://api.registry.platformio.org/v3/packages/platformio/platform/native"
LOOK_SECONDS = 2.0


@functools.cache
def registry_reachable() -> bool:
    """Whether PlatformIO's registry answers within 2 seconds; checked once per process."""
    answered = threading.Event()

    def look() -> None:
        try:
            with urllib.request.urlopen(REGISTRY, timeout=LOOK_SECONDS) as answer:
                if answer.status == 200:
                    answered.set()
        except (OSError, ValueError):
            pass  # the registry cannot be reached

    # In a thread, because timeouts of sockets do not cover name resolution.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(LOOK_SECONDS)
    return answered.is_set()


def user_core_dir() -> Path:
    """Return the folder that `pio` uses by default."""
    chosen = os.environ.get("PLATFORMIO_CORE_DIR")
    return Path(chosen).expanduser() if chosen else Path.home() / ".platformio"


def own_core_dir() -> Path:
    """Return our own folder, which may not exist."""
    return Path(platformdirs.user_cache_dir("tflm_ext")) / "platformio"


@functools.cache
def core_dir() -> Path:
    """Return the core folder to run pio with; decided once per process.

    Returns:
        The user's folder, if it has what `platform = native` needs, or can download it; otherwise
        our own, complete. The user's folder is never changed.

    Raises:
        StorageError: our folder cannot be written.
        ToolError: SCons or PlatformIO is not installed.
    """
    user, own = user_core_dir(), own_core_dir()
    if user != own and (is_complete(user) or registry_reachable()):
        return user
    return write_own_core(own)


def is_complete(core: Path) -> bool:
    """Whether our PlatformIO can build `native` with this core folder and without its registry.

    The folder needs the platform and the right SCons, and the last PlatformIO to use it must have
    the same version as ours: a different version would look for newer packages.
    """
    platforms = (_json(path) for path in sorted(core.glob("platforms/*/platform.json")))
    if not any(manifest.get("name") == "native" for manifest in platforms):
        return False
    import platformio
    import semantic_version

    if _json(core / "appstate.json").get("last_version") not in (None, platformio.__version__):
        return False
    wanted = semantic_version.SimpleSpec(_scons_requirement())
    for path in sorted(core.glob("packages/tool-scons*/.piopm")):
        try:
            installed = semantic_version.Version(_json(path).get("version", ""))
        except ValueError:
            continue
        if installed in wanted and (path.parent / "scons.py").is_file():
            return True
    return False


def write_own_core(core: Path) -> Path:
    """Write `native` and `tool-scons` into a core folder; correct files are not touched."""
    if importlib.util.find_spec("SCons") is None:
        raise ToolError(
            "PlatformIO's registry cannot be reached, and SCons is not installed.",
            f"Run: {sys.executable} -m pip install scons",
        )
    try:
        for path, content in _own_core_files():
            _write(core / path, content)
        # PlatformIO keeps its own notes in this file.
        state = _json(core / "appstate.json") | _quiet_state()
        _write(core / "appstate.json", json.dumps(state).encode())
    except OSError as error:
        raise StorageError(
            f"PlatformIO's core folder cannot be written: {error}.",
            "Free some space, or set PLATFORMIO_CORE_DIR to a writable folder.",
        ) from error
    return core


def _own_core_files() -> Iterator[tuple[str, bytes]]:
    native, scons = "platforms/native", "packages/tool-scons"
    for name in ("platform.json", "builder/main.py"):
        yield f"{native}/{name}", verbatim(f"platformio/core/native/{name}")
    manifest = json.loads(verbatim("platformio/core/native/platform.json"))
    yield f"{native}/.piopm", _installed("platform", "native", manifest["version"])
    package = {
        "name": "tool-scons",
        "description": "Starts the SCons of the Python that runs PlatformIO",
        "version": _scons_requirement().lstrip("~^="),
    }
    yield f"{scons}/scons.py", verbatim("platformio/core/tool-scons/scons.py")
    yield f"{scons}/package.json", _dump(package)
    yield f"{scons}/.piopm", _installed("tool", "tool-scons", package["version"])


def _installed(kind: str, name: str, version: str) -> bytes:
    """Return the note that PlatformIO leaves in packages that it installed."""
    spec = {"owner": "platformio", "id": None, "name": name, "requirements": None, "uri": None}
    return _dump({"type": kind, "name": name, "version": version, "spec": spec})


def _quiet_state() -> dict[str, Any]:
    """Return settings without telemetry and update checks, which also apply to the user's `pio`."""
    import platformio

    return {
        "settings": {"enable_telemetry": False, "check_platformio_interval": 36500},
        "last_version": platformio.__version__,
    }


def _scons_requirement() -> str:
    if importlib.util.find_spec("platformio") is None:
        raise ToolError(
            "PlatformIO is not installed.", f"Run: {sys.executable} -m pip install platformio"
        )
    from platformio.dependencies import get_core_dependencies

    return str(get_core_dependencies()["tool-scons"])


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file that is not ours; {} if it is not a JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _dump(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically, so that a concurrent pio never sees a partial file."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
