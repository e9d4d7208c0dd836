"""`aval …`: every expected failure is one line.

Exit codes: 0 success, 1 a failed check or something out of reach, 2 wrong use.
"""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from app.cli.failures import EXPECTED, explain
from app.cli.serve_options import read_plainly
from app.cli.signals import endings, unwind


def execute(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        return _run(arguments)
    except EXPECTED as failure:
        code, line = explain(failure)
        print(f"aval: {line}", file=sys.stderr)  # noqa: T201 - the terminal is the reader
        return code


def _run(arguments: Sequence[str]) -> int:
    """Import what this command needs and no more: a service carries for good what it imported."""
    options = read_plainly(arguments)
    if options is None:
        ended: int = import_module("app.cli.commands").run_command(arguments)
        return ended
    import_module("app.cli.service").serve(options)
    return 0


def run() -> NoReturn:
    """Run the command this process was started with."""
    for number in endings():
        if number != signal.SIGINT:  # which Python raises as KeyboardInterrupt
            signal.signal(number, unwind)
    sys.exit(execute(sys.argv[1:]))


if __name__ == "__main__":
    run()
