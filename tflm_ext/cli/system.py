"""The commands doctor and boards."""

from __future__ import annotations

import argparse
from typing import Any

from tflm_ext.cli.arguments import add_command, add_json
from tflm_ext.cli.output import print_json
from tflm_ext.document import to_json
from tflm_ext.errors import ToolError


def add_commands(commands: Any) -> None:
    """Add both to the parser."""
    doctor = add_command(
        commands, "doctor", _doctor, "show what is installed, and how to install what is missing"
    )
    add_json(doctor)
    boards = add_command(commands, "boards", _boards, "list the boards")
    add_json(boards)


def _doctor(options: argparse.Namespace) -> int:
    from tflm_ext.doctor import diagnose

    findings = diagnose()
    if options.json:
        print_json("findings", [f.to_dict() for f in findings])
    else:
        for finding in findings:
            print(finding.to_text())
    return ToolError.exit_code if any(f.required and not f.ok for f in findings) else 0


def _boards(options: argparse.Namespace) -> int:
    from tflm_ext.targets import boards

    if options.json:
        from tflm_ext.report.commands import BoardPart

        print_json("boards", [to_json(BoardPart, board) for board in boards()])
        return 0
    for b in boards():
        print(
            f"{b.name}  {b.title}, {b.core.title} at {b.clock_hz // 1_000_000} MHz, for a program: "
            f"{b.usable_flash_bytes:,} bytes of flash, {b.usable_ram_bytes:,} of RAM"
        )
    return 0
