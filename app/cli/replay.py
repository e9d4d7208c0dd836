"""`aval replay --since DATE`: judge stored decisions again."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from app.cli.database import open_database, read_settings
from app.cli.failures import RefusedError
from app.settings import Settings
from app.usecases.decisions import Difference, ReplayDecisions

Since = Annotated[
    datetime,
    typer.Option(formats=["%Y-%m-%d"], help="First day (UTC) whose decisions are judged again"),
]


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("replay")(_replay)


def _replay(since: Since) -> None:
    """Judge every decision since a day again; exit 1 where one comes out otherwise."""
    replay(read_settings(), since.replace(tzinfo=UTC))


def replay(settings: Settings, since: datetime) -> None:
    """Judge the decisions of a database from a moment on again, and print what differs.

    Raises:
        RefusedError: Counts the decisions that come out otherwise.
        SchemaOldError: The database is at another revision.
        BusyError: The database was out of reach.

    """
    judged = differing = 0
    with open_database(settings) as database:
        for decision_id, differences in ReplayDecisions(database)(since):
            judged += 1
            differing += bool(differences)
            for difference in differences:
                typer.echo(_line(decision_id, difference))
    if differing:
        raise RefusedError(
            f"{differing:,} of {judged:,} decisions since {since:%Y-%m-%d} are judged otherwise"
        )
    typer.echo(f"{judged:,} decisions since {since:%Y-%m-%d}: all judged the same")


def _line(decision_id: str, difference: Difference) -> str:
    stored, replayed = _shown(difference.stored), _shown(difference.replayed)
    return f"decision {decision_id}: {difference.field}: stored {stored}, judged again {replayed}"


def _shown(value: object) -> str:
    return orjson.dumps(value).decode()
