"""A child that answers once, and at the second request dies as the converter does."""

import os
import signal
import sys

from tflm_ext.convert.worker import serve


def main() -> None:
    def greet(request: object, progress: object) -> dict[str, int]:
        progress("thinking")
        print("something that the converter says", flush=True)
        return {"pid": os.getpid()}

    def crash(request: object, progress: object) -> dict[str, int]:
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}

    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        serve({"greet": greet, "crash": crash}, sys.stdin, answers)


if __name__ == "__main__":
    main()
