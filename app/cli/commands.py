"""The command line: every column registers its commands here, and typer reads what was asked."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import typer
from typer.exceptions import TyperException

from app.cli.failures import WrongUseError

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


def run_command(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code.

    Raises:
        WrongUseError: There is no such command or option; and whatever the command raises.

    """
    cli = command_line(arguments[0] if arguments else "")
    try:
        ended = cli(spread_options(arguments), standalone_mode=False, prog_name="aval")
    except TyperException as wrong:
        raise WrongUseError(f"{wrong.format_message()} (see aval --help)") from None
    return ended if isinstance(ended, int) else 0
