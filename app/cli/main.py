"""`aval …`: every column registers its commands here; every expected failure is one line.

Exit codes: 0 success, 1 a failed check or something out of reach, 2 wrong use.
"""

import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Final, NoReturn

import typer

from app.cli.failures import EXPECTED, explain

COLUMNS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "migrate": "migrate",
    "work": "work",
    "run": "run",
    "key": "keys",
    "import": "imports",
    "export": "imports",
    "features": "features",
    "score": "score",
    "check-ledger": "check",
    "replay": "replay",
    "try-rules": "try_rules",
    "rules": "rules",
    "openapi": "openapi",
    "train": "train",
    "model": "model",
}
"""Every command, and the module of its column, which has `register(cli)`."""

_MANY: Final = ("--scope", "--segment")


def command_line(command: str) -> typer.Typer:
    """Make the command line for a command; with all columns, if it is none of them (`--help`).

    Only its column is imported: reading files takes libraries that a service must not carry.
    """
    cli = typer.Typer(
        help="The credit desk of a company that sells on credit, as a service.",
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    cli.callback()(_whole)
    chosen = [COLUMNS[command]] if command in COLUMNS else dict.fromkeys(COLUMNS.values())
    for column in chosen:
        import_module(f"app.cli.{column}").register(cli)
    return cli


def _whole() -> None:
    """Make a command a word of its own, also where it is the only one."""


def spread_options(arguments: Sequence[str]) -> list[str]:
    """Write `key create --scope a b` as `--scope a --scope b`; all else stays as it is."""
    if list(arguments[:2]) != ["key", "create"]:
        return list(arguments)
    spread: list[str] = []
    many, given = "", 0
    for word in arguments:
        if word.startswith("-"):
            many, given = word if word in _MANY else "", 0
        elif many:
            given += 1
            if given > 1:
                spread.append(many)
        spread.append(word)
    return spread


def execute(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        cli = command_line(arguments[0] if arguments else "")
        ended = cli(spread_options(arguments), standalone_mode=False, prog_name="aval")
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
