"""Output of commands: errors, reports and JSON."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from tflm_ext.emit.escape import printable
from tflm_ext.errors import TflmExtError, ToolError
from tflm_ext.shell import tell

if TYPE_CHECKING:
    from tflm_ext.report import Report


def print_error(error: TflmExtError) -> None:
    """Print the problem, the failed tool's output, and the hint on standard error."""
    lines = [f"error: {error.problem}"]
    if isinstance(error, ToolError) and error.output:
        lines += [f"  $ {shlex.join(error.command)}"] if error.command else []
        lines += [f"  | {line}" for line in error.output.splitlines()]
    lines.append(f"hint: {error.hint}")
    tell([printable(line) for line in lines])


def shows_progress(options: argparse.Namespace) -> bool:
    """Whether a command shows its progress: on a terminal, where it does not mix with errors."""
    return sys.stderr.isatty() and not getattr(options, "quiet", False) and not options.json


def show_report(
    report: Report, as_json: bool, *, operators: bool = True, losses: bool = True
) -> None:
    """Print a report as text or JSON on standard output; flags as in print_report()."""
    if as_json:
        sys.stdout.write(report.to_json())
    else:
        from tflm_ext.report.text import print_report

        print_report(report, operators=operators, losses=losses)


def print_lines(text: str) -> None:
    """Print a text of several lines, without characters that could control a terminal."""
    for line in text.splitlines():
        print(printable(line))


def print_json(part: str, content: Any) -> None:
    """Print a document that has one part of docs/reference/report.schema.json."""
    from tflm_ext.report.report import envelope

    print(json.dumps(envelope() | {part: content}, indent=2, sort_keys=True))
