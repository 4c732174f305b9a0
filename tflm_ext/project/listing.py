"""The files of a project that its report.json lists. All that it says is untrusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tflm_ext.emit.escape import plain
from tflm_ext.errors import ConfigError
from tflm_ext.report.parts import SCHEMA, SCHEMAS

REPORT = "report.json"
HOME = ".tflm_ext"
"""The folder in a project in which an export keeps what is not finished."""


def check_schema(folder: Path, report: bytes) -> None:
    """Refuse a report.json of a later version, whose keys may mean something else. Untrusted.

    Raises:
        ConfigError: the report has a schema that this version does not know.
    """
    try:
        data: Any = json.loads(report)
        schema, name, version = data["schema"], data["tool"]["name"], data["tool"].get("version")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # not one of our reports: the caller reports it
    if name == "tflm_ext" and type(schema) is int and schema > SCHEMA:
        which = f" ({plain(version)})" if isinstance(version, str) else ""
        raise ConfigError(
            f"{folder} was exported by a later version of tflm_ext{which}: its "
            f"report.json has schema {plain(str(schema))}, and this version reads up to {SCHEMA}.",
            "Install that version or a newer one, or export to another folder.",
        )


def listed_files(report: bytes) -> dict[str, str] | None:
    """Return the files listed in an untrusted report; None if it is not one of our reports."""
    try:
        data: Any = json.loads(report)
        if data["schema"] not in SCHEMAS or data["tool"]["name"] != "tflm_ext":
            return None
        listed = {file["path"]: file["sha256"] for file in data["files"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sound = all(is_inside(path) and isinstance(sha, str) for path, sha in listed.items())
    return listed if sound else None


def is_inside(path: object) -> bool:
    """Whether a relative path can only lead to a file inside the project."""
    if not isinstance(path, str) or not path.isprintable() or "\\" in path:
        return False
    parts = path.split("/")
    return not {"", ".", ".."} & set(parts) and parts[0] != HOME
