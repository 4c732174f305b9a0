"""What pio and the programs that it runs say: sizes, tests and errors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.errors import BudgetError, ToolError, VerificationError
from tflm_ext.programs import limit_error

_SIZE = re.compile(r"^(RAM|Flash): .*\(used (\d+) bytes from (\d+) bytes\)", re.MULTILINE)
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes?")
_MISMATCH = re.compile(r"Element (\d+) Expected (-?\d+) Was (-?\d+)")
# Output of the sanitizers and of the emulated core's fault handler.
_REPORT = re.compile(
    r"^.*(?:: runtime error: |ERROR: AddressSanitizer|core fault: ).*$", re.MULTILINE
)
_CRASH = re.compile(r"Program received signal SIG(?:SEGV|ABRT|BUS|ILL|FPE)\b.*")
# Error messages of compilers, linkers and pio.
_DIAGNOSTIC = re.compile(r"^.*\b(?:error:|Error:|undefined reference).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TestCase:
    """One Unity test: status is "PASSED", "FAILED", "SKIPPED" or "ERRORED"."""

    __test__ = False  # no test of pytest's

    name: str
    status: str
    message: str


def sizes_of(output: str) -> dict[str, int]:
    """Bytes of "RAM" and "Flash", of what a build printed."""
    return {match[1]: int(match[2]) for match in _SIZE.finditer(output)}


def cases_of(report: Path, environment: str) -> tuple[TestCase, ...]:
    """Return the tests in pio's JSON report; none if pio failed before running tests."""
    try:
        data: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(
        TestCase(
            name=case["name"],
            status=case["status"],
            message=case["message"] or case["exception"] or "",
        )
        for suite in data["test_suites"]
        if suite["env_name"] == environment
        for case in suite["test_cases"]
    )


def raise_for_test(cases: tuple[TestCase, ...], output: str, environment: str) -> None:
    report = _REPORT.search(output)
    if report is not None:
        raise VerificationError(
            f"The tests of {environment} were stopped: {report[0].strip()}",
            "Export the model again; if the error persists, report it with the .tflite.",
        )
    failed = [case for case in cases if case.status == "FAILED"]
    if failed:
        numbers = _MISMATCH.search(failed[0].message)
        index, expected, got = map(int, numbers.groups()) if numbers else (None, None, None)
        raise VerificationError(
            f"{len(failed)} of {len(cases)} tests failed in {environment}; "
            f"{failed[0].name}: {failed[0].message}",
            "Run tflm-ext verify to see which operator differs, or export the model again.",
            index=index,
            expected=expected,
            got=got,
        )
    crash = _CRASH.search(output)
    if crash is not None:
        raise VerificationError(
            f"The test program of {environment} crashed: {crash[0].strip()}",
            "Export the model again; if the error persists, report it with the .tflite.",
        )


def raise_for_limit(status: int, output: str, arguments: tuple[str, ...], environment: str) -> None:
    """Raise ToolError if a limit of this computer was exceeded: the tests may be correct."""
    limit = limit_error(f"pio {arguments[0]} -e {environment}", status, output, ("pio", *arguments))
    if limit is not None:
        raise limit


def raise_for_build(status: int, output: str, arguments: tuple[str, ...], environment: str) -> None:
    overflows = dict.fromkeys(_OVERFLOW.findall(output))
    if overflows:
        excess = " and ".join(f"{region} by {int(size):,} bytes" for region, size in overflows)
        raise BudgetError(
            f"The program of {environment} does not fit: it exceeds {excess}.",
            "Make the model smaller (fewer channels or layers), or export with optimize='size'.",
        )
    if status != 0:
        raise_for_limit(status, output, arguments, environment)
        first = _DIAGNOSTIC.search(output)
        raise ToolError(
            f"pio {arguments[0]} -e {environment} failed"
            + (f": {first[0].strip()}" if first else "."),
            "Its output names the cause; tflm-ext doctor checks the tools.",
            command=("pio", *arguments),
            output=output,
        )
