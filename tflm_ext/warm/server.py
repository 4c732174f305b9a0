"""The warm process of run.py. Reads requests, runs each in a fork, answers with its exit status.

It imports nothing from this package unless a request says so, so that it runs as a plain program.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until standard input ends."""
    library = ctypes.CDLL(None)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # imports may print
    for line in sys.stdin.buffer:
        request = json.loads(line)
        for module in request["needs"]:
            importlib.import_module(module)
        server, program = os.getpid(), os.fork()
        if program == 0:
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != server:
                os._exit(1)
            _become(request["program"], request["output"], request["errors"])
        _, status = os.waitpid(program, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _become(program: Sequence[str], output: str, errors: str) -> NoReturn:
    """Run the program, like an interpreter that has just been started, and exit."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    for number, path in enumerate((os.devnull, output, errors)):
        file = os.open(path, flags if number else os.O_RDONLY, 0o600)
        os.dup2(file, number)
        os.close(file)
    status = 1
    try:
        if program[0] == "-m":
            sys.argv = list(program[1:])
            runpy.run_module(program[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(program)
            runpy.run_path(program[0], run_name="__main__")
        status = 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            status = error.code or 0
        else:
            print(error.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - shown, as an interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
