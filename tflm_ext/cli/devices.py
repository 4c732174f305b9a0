"""The commands collect and listen, which talk to a device that runs a pipeline."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_ext.cli.arguments import add_command, add_json
from tflm_ext.cli.output import print_json, print_lines
from tflm_ext.document import to_json
from tflm_ext.errors import ConfigError
from tflm_ext.shell import tell

if TYPE_CHECKING:
    from tflm_ext.device import Device

_SAY_SECONDS = 5.0


def add_commands(commands: Any) -> None:
    """Add both to the parser."""
    collect = add_command(
        commands, "collect", _collect, "record the sensor of a device into a folder of recordings"
    )
    collect.add_argument(
        "folder", metavar="DIR", help="folder with recordings, DIR/<label>/<session>-<n>.wav"
    )
    collect.add_argument("--label", required=True, help="class of the recording")
    collect.add_argument(
        "--seconds", type=float, required=True, metavar="S", help="of signal that arrives"
    )
    collect.add_argument("--session", metavar="NAME", help="default: a new one, with the time")
    collect.add_argument("--who", default="", metavar="NAME", help="who is recorded")
    _add_device(collect)
    add_json(collect)

    listen = add_command(commands, "listen", _listen, "show the events of a device as they come")
    listen.add_argument("folder", metavar="DIR", help="the exported project that it runs")
    listen.add_argument(
        "--seconds", type=float, metavar="S", help="how long; default: until Ctrl-C"
    )
    _add_device(listen)
    add_json(listen)


def _add_device(command: argparse.ArgumentParser) -> None:
    device = command.add_mutually_exclusive_group(required=True)
    device.add_argument(
        "--port", metavar="PORT", help="serial port of the board, like /dev/ttyACM0"
    )
    device.add_argument(
        "--program",
        metavar="COMMAND",
        help="command of the firmware on this computer, as in 'program --sensor samples.raw'",
    )


def _device(options: argparse.Namespace) -> Device:
    from tflm_ext.device import Device

    if options.port is not None:
        return Device.on_port(options.port)
    try:
        words = shlex.split(options.program)
    except ValueError as error:
        raise ConfigError(f"--program: {error}.", "Quote it as in a shell.") from error
    if not words:
        raise ConfigError("--program is empty.", "Pass the command that starts the firmware.")
    return Device.in_program(words)


def _collect(options: argparse.Namespace) -> int:
    from tflm_ext.collect import collect

    said = time.monotonic()

    def say(seconds: float, missing: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SAY_SECONDS and not options.json:
            said = time.monotonic()
            tell([f"{seconds:,.1f} of {options.seconds:,g} s, {missing:,} samples missing"])

    with _device(options) as device:
        found = collect(
            options.folder,
            options.label,
            device,
            seconds=options.seconds,
            session=options.session,
            who=options.who,
            progress=say,
        )
    if options.json:
        print_json("collected", to_json(type(found), found))
    else:
        print_lines(str(found))
    return 0


def _listen(options: argparse.Namespace) -> int:
    from tflm_ext.collect import listen

    if options.seconds is not None and not 0 < options.seconds < 1e9:
        raise ConfigError(f"--seconds {options.seconds:g} is not a duration.", "Pass more than 0.")
    with _device(options) as device:
        for event in listen(Path(options.folder), device, options.seconds):
            if options.json:
                print(json.dumps(to_json(type(event), event), sort_keys=True), flush=True)
            else:
                print_lines(str(event))
    return 0
