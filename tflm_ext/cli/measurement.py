"""The commands bench and compare."""

from __future__ import annotations

import argparse
from typing import Any

from tflm_ext.cli.arguments import MODEL, add_command, add_compiler_flag, add_json, add_planning
from tflm_ext.cli.output import print_json, print_lines, shows_progress


def add_commands(commands: Any) -> None:
    """Add both to the parser."""
    bench = add_command(commands, "bench", _bench, "count instructions on the emulated core")
    bench.add_argument(
        "sources", nargs="+", metavar="DIR_OR_MODEL", help="exported projects, or models"
    )
    add_planning(bench)
    add_compiler_flag(bench)
    add_json(bench)

    compare = add_command(
        commands, "compare", _compare, "compare both runtimes on the emulated core"
    )
    compare.add_argument("model", metavar="MODEL", help=MODEL)
    compare.add_argument("--tflm-source", metavar="DIR", help="TFLM source tree")
    add_planning(compare)
    add_compiler_flag(compare)
    add_json(compare)


def _bench(options: argparse.Namespace) -> int:
    from tflm_ext.bench import bench
    from tflm_ext.report.progress import show_progress

    with show_progress(shows_progress(options)) as say:
        found = [
            bench(
                source,
                calibration=options.calibration,
                board=options.board,
                optimize=options.optimize,
                flags=options.compiler_flag,
                progress=say,
            )
            for source in options.sources
        ]
    if options.json:
        print_json("bench", [one.to_dict() for one in found])
    else:
        print_lines("\n\n".join(map(str, found)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from tflm_ext.bench import compare
    from tflm_ext.report.progress import show_progress

    with show_progress(shows_progress(options)) as say:
        found = compare(
            options.model,
            calibration=options.calibration,
            board=options.board,
            optimize=options.optimize,
            tflm_source=options.tflm_source,
            flags=options.compiler_flag,
            progress=say,
        )
    if options.json:
        print_json("compare", found.to_dict())
    else:
        print_lines(str(found))
    return 0
