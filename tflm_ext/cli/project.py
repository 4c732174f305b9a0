"""The commands new, build, test, verify and replay, which make a project or work on one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tflm_ext.cli.arguments import add_command, add_json
from tflm_ext.cli.output import print_json, shows_progress
from tflm_ext.document import to_json
from tflm_ext.emit.escape import printable
from tflm_ext.errors import VerificationError


def add_commands(commands: Any) -> None:
    """Add them to the parser."""
    _add_new(commands)
    for name, run, text in (
        ("build", _build, "build a project with pio, and print the sizes"),
        ("test", _test, "run a project's tests with pio"),
    ):
        command = add_command(commands, name, run, text)
        command.add_argument("folder", metavar="DIR", help="an exported project")
        command.add_argument(
            "-e",
            "--environment",
            default="native",
            metavar="ENV",
            help="environment in platformio.ini; default: native",
        )
        add_json(command)

    verify = add_command(
        commands, "verify", _verify, "compare a project, or the board that runs it, with TFLM"
    )
    verify.add_argument("folder", metavar="DIR", help="an exported project")
    verify.add_argument(
        "--port",
        metavar="PORT",
        help="serial port of the board, like /dev/ttyACM0; default: compare the files",
    )
    verify.add_argument("--seed", type=int, metavar="N", help="seed of the inputs; default: random")
    add_json(verify)

    replay = add_command(
        commands, "replay", _replay, "run a recording through a project's pipeline, and list events"
    )
    replay.add_argument("folder", metavar="DIR", help="an exported project with a pipeline")
    replay.add_argument(
        "recording", metavar="RECORDING", help="WAV, CSV or .npy file; - for standard input"
    )
    replay.add_argument(
        "-e",
        "--environment",
        default="native",
        metavar="ENV",
        help="native, or that of an emulated core, like cortex_m4; default: native",
    )
    replay.add_argument(
        "--port",
        metavar="PORT",
        help="serial port of the board, which also gets the samples, in the place of its sensor",
    )
    replay.add_argument("--picture", metavar="FILE", help="write a picture: .png, .svg or .pdf")
    add_json(replay)


def _add_new(commands: Any) -> None:
    new = add_command(
        commands, "new", _new, "write a training script with a pipeline, which runs as it is"
    )
    new.add_argument("name", metavar="NAME", help="name of the model, a C identifier")
    new.add_argument(
        "--from",
        dest="kind",
        required=True,
        metavar="KIND",
        help="machine (sound), keyword, activity (motion) or image",
    )
    new.add_argument("-o", "--output", metavar="DIR", help="folder; default: NAME")


def _new(options: argparse.Namespace) -> int:
    from tflm_ext.project.starter import write_starter

    given = None if options.output is None else Path(options.output)
    folder = write_starter(options.name, options.kind, given)
    print(f"{printable(str(folder))} has data.py, train.py and README.md. Run train.py there.")
    return 0


def _build(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import run
    from tflm_ext.report.commands import BuildPart

    folder = Path(options.folder)
    built = run(folder, options.environment)
    program = built.program.relative_to(folder.resolve()).as_posix()
    if options.json:
        print_json("build", to_json(BuildPart, (built, program)))
        return 0
    print(f"{built.environment}: built {program} in {built.seconds:.1f} s")
    if built.flash_bytes is not None and built.ram_bytes is not None:
        print(
            f"the whole program: {built.flash_bytes:,} bytes of flash, "
            f"{built.ram_bytes:,} bytes of RAM"
        )
    return 0


def _test(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import test
    from tflm_ext.recheck import explain
    from tflm_ext.report.commands import TestPart

    folder = Path(options.folder)
    try:
        found = test(folder, options.environment)
    except VerificationError as error:
        raise explain(folder, error) from error
    if options.json:
        print_json("test", to_json(TestPart, found))
        return 0
    for case in found.cases:
        print(f"{case.status:8}  {printable(case.name)}")
    print(f"{found.environment}: {found.passed} tests passed in {found.seconds:.1f} s")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from tflm_ext.recheck import verify_port, verify_project

    folder = Path(options.folder)
    if options.port is not None:
        checked = verify_port(folder, options.port, seed=options.seed)
    else:
        checked = verify_project(folder, seed=options.seed)
    if options.json:
        print_json("verify", checked.to_dict())
    else:
        print(checked.to_text())
    return 0


def _replay(options: argparse.Namespace) -> int:
    from tflm_ext.pictures import check_path
    from tflm_ext.replay import replay_port, replay_project
    from tflm_ext.report.progress import show_progress

    if options.picture is not None:
        check_path(options.picture)
    folder = Path(options.folder)
    if options.port is not None:
        with show_progress(shows_progress(options)) as say:
            found = replay_port(folder, options.recording, options.port, options.environment, say)
    else:
        found = replay_project(folder, options.recording, options.environment)
    if options.picture is not None:
        found.picture(options.picture)
    if options.json:
        print_json("replay", found.to_dict())
    else:
        print(found)
    return 0
