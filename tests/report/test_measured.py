"""Measurements in bench.json: used if they are whole and belong to the project's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tflm_ext.report.measured import NAME, _read, sources_sha256

SOURCES = sources_sha256([("a.c", "1"), ("b.c", "2")])
WHOLE = {
    "sources_sha256": SOURCES,
    "instructions": 1000,
    "stack_bytes": 200,
    "code_bytes": 3000,
    "core": "cortex-m4",
    "compiler": "gcc",
    "cycles": [900, 1100],
    "milliseconds": [1.5, 2],
}

PIPELINE = {
    "instructions": 35_000,
    "instructions_per_second": 1_750_000,
    "context_bytes": 4000,
    "flash_bytes": 5000,
    "window_ms": 1000.0,
    "clock_share": 0.03,
}


def read(folder: Path, text: str) -> Any:
    (folder / NAME).write_text(text)
    return _read(folder, SOURCES)


def test_the_order_of_files_does_not_matter() -> None:
    assert sources_sha256([("b.c", "2"), ("a.c", "1")]) == SOURCES
    assert sources_sha256([("a.c", "2"), ("b.c", "1")]) != SOURCES


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"cycles": None, "milliseconds": None},
        {"pipeline": None},
        {"pipeline": PIPELINE},
        {"pipeline": PIPELINE | {"clock_share": None}},
    ],
)
def test_whole_measurements_are_used(tmp_path: Path, others: dict[str, Any]) -> None:
    assert read(tmp_path, json.dumps({"bench": [WHOLE | others]})) == WHOLE | others


@pytest.mark.parametrize(
    "others",
    [
        {"sources_sha256": sources_sha256([("a.c", "3"), ("b.c", "2")])},
        {"instructions": "1000"},
        {"stack_bytes": None},
        {"code_bytes": [3000]},
        {"core": 4},
        {"compiler": None},
        {"milliseconds": [1.5]},
        {"milliseconds": [1.5, 2, 3]},
        {"milliseconds": [1.5, "2"]},
        {"milliseconds": ["1.5", 2]},
        {"milliseconds": None},
        {"pipeline": 7},
        {"pipeline": {}},
        {"pipeline": PIPELINE | {"instructions": None}},
        {"pipeline": PIPELINE | {"window_ms": "1 s"}},
        {"pipeline": PIPELINE | {"clock_share": [0.03]}},
    ],
)
def test_other_measurements_are_left_out(tmp_path: Path, others: dict[str, Any]) -> None:
    assert read(tmp_path, json.dumps({"bench": [WHOLE | others]})) is None


@pytest.mark.parametrize("name", WHOLE)
def test_an_entry_that_is_missing(tmp_path: Path, name: str) -> None:
    rest = {key: value for key, value in WHOLE.items() if key != name}
    assert read(tmp_path, json.dumps({"bench": [rest]})) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bench": []}', '{"bench": {}}', "not json"])
def test_a_damaged_file_is_left_out(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) is None


def test_no_file(tmp_path: Path) -> None:
    assert _read(tmp_path, SOURCES) is None
