"""`aval check-ledger`: the independent checker."""

import sys

import typer

from app.cli.database import open_database, read_settings, say
from app.cli.failures import RefusedError
from app.settings import Settings
from app.store.checker import check_ledger


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("check-ledger")(_check)


def _check() -> None:
    """Check the whole ledger in one snapshot: exit 1 and the first difference, else totals."""
    check(read_settings())


def check(settings: Settings) -> None:
    """Check the ledger of a database and print the totals.

    Raises:
        RefusedError: Names the first difference.
        SchemaOldError: The database is at another revision.
        psycopg.Error: The database could not be read.

    """
    with open_database(settings) as database:
        report = check_ledger(database.url, _tell)
    if not report.clean:
        raise RefusedError(str(report))
    typer.echo(report)


def _tell(step: str) -> None:
    """Say at a terminal how far the check is; a log needs only its end."""
    if sys.stderr.isatty():
        say(f"checking {step} …")
