"""bench.json: measurements of a project by tflm-ext bench, which later reports include."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tflm_ext.report.report import Report

NAME = "bench.json"
_NUMBERS = ("instructions", "stack_bytes", "code_bytes")
_PIPELINE_NUMBERS = ("instructions", "instructions_per_second", "context_bytes", "flash_bytes")


def sources_sha256(digests: Iterable[tuple[str, str]]) -> str:
    """Return one hash of all files that are compiled.

    Args:
        digests: path below lib/<Name>/src/ and SHA-256 of each file.
    """
    lines = "".join(f"{path} {sha256}\n" for path, sha256 in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def with_bench(report: Report, folder: Path) -> Report:
    """Add measurements to a report, if there are any for exactly the files that it lists.

    Args:
        folder: the project.
    """
    root = f"lib/{report.facts.library}/src/"
    compiled = [(p.removeprefix(root), s) for p, s in report.files if p.startswith(root)]
    return replace(report, bench=_read(folder, sources_sha256(compiled)))


def _read(folder: Path, sources: str) -> Mapping[str, Any] | None:
    """Return the content of bench.json; None if it is missing, damaged, or for other files."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))["bench"][0]
        whole = (
            found["sources_sha256"] == sources
            and all(isinstance(found[name], int) for name in _NUMBERS)
            and all(isinstance(found[name], str) for name in ("core", "compiler"))
            and (found["cycles"] is None or _is_range(found["milliseconds"]))
            and _is_pipeline(found.get("pipeline"))
        )
        return dict(found) if whole else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _is_pipeline(value: Any) -> bool:
    """Return whether these are figures of a pipeline, or None: those of a model without one."""
    return value is None or (
        all(isinstance(value[name], int) for name in _PIPELINE_NUMBERS)
        and isinstance(value["window_ms"], int | float)
        and isinstance(value["clock_share"], int | float | None)
    )


def _is_range(value: Any) -> bool:
    return len(value) == 2 and all(isinstance(end, int | float) for end in value)
