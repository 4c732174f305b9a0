"""JSON output of commands that are not about a model: build, test and boards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tflm_ext.document import Bytes, Count, Environment, FilePath, declared, entry


@declared("build")
@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPart:
    """Output of `tflm-ext build`, written from a BuildResult and the path of its program."""

    environment: Environment = entry(of=lambda built: built[0].environment)
    program: FilePath = entry(of=lambda built: built[1])
    flash_bytes: Count | None = entry(
        ".text + .data of the whole program; null for the host.",
        of=lambda built: built[0].flash_bytes,
    )
    ram_bytes: Count | None = entry(
        ".data + .bss of the whole program; null for the host.",
        of=lambda built: built[0].ram_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePart:
    """One test."""

    name: str = entry()
    status: Literal["PASSED", "FAILED", "SKIPPED", "ERRORED"] = entry()
    message: str = entry()


@declared("test")
@dataclass(frozen=True, slots=True, kw_only=True)
class TestPart:
    """Output of `tflm-ext test`, written from a TestResult."""

    environment: Environment = entry()
    passed: Count = entry()
    failed: Count = entry()
    cases: tuple[CasePart, ...] = entry()


@declared("board")
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPart:
    """A row of `tflm-ext boards`, written from a Board."""

    name: str = entry()
    title: str = entry()
    usable_flash_bytes: Bytes = entry()
    usable_ram_bytes: Bytes = entry()
    clock_hz: Count = entry()
