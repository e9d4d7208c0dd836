"""`aval …`: every column registers its commands here; every expected failure is one line.

Exit codes: 0 success, 1 a failed check or something out of reach, 2 wrong use.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

import typer

from app.cli import keys, openapi, serve
from app.cli import run as sample_run
from app.cli.failures import EXPECTED, explain

COLUMNS: Final = (serve, keys, sample_run, openapi)
"""Modules with `register(cli)`; a new column's file is added here."""


def command_line() -> typer.Typer:
    """Make the command line with the commands of every column."""
    cli = typer.Typer(
        help="The credit desk of a company that sells on credit, as a service.",
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for column in COLUMNS:
        column.register(cli)
    return cli


def execute(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        ended = command_line()(
            keys.spread_options(arguments), standalone_mode=False, prog_name="aval"
        )
    except EXPECTED as failure:
        code, line = explain(failure)
        print(f"aval: {line}", file=sys.stderr)  # noqa: T201 - the terminal is the reader
        return code
    return ended if isinstance(ended, int) else 0


def _end(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # unwinds, so that an embedded database is stopped


def run() -> NoReturn:
    """Run the command this process was started with."""
    signal.signal(signal.SIGTERM, _end)
    sys.exit(execute(sys.argv[1:]))


if __name__ == "__main__":
    run()
