"""`aval migrate`: the schema, brought to head."""

from contextlib import closing

import typer
from alembic.util import CommandError

from app.cli.database import check_address, open_server, read_settings, say
from app.cli.failures import RefusedError
from app.store.database import Database
from app.store.migrate import migrate
from app.store.revision import current_revision, head_revision


def register(cli: typer.Typer) -> None:
    """Add the command of this column."""
    cli.command("migrate")(_migrate)


def _migrate() -> None:
    """Bring the schema to head, or leave a later one; several at once wait for each other."""
    settings = read_settings()
    direct = settings.work_database_url or settings.database_url
    if direct is None:
        with open_server(settings) as opened:  # which brings it to head
            _tell(opened.url)
        return
    check_address(direct, "AVAL_WORK_DATABASE_URL or AVAL_DATABASE_URL")
    _bring_to_head(direct)
    _tell(direct)


def _tell(url: str) -> None:
    with closing(Database(url)) as database:
        has = current_revision(database)
    later = "" if has == head_revision() else f", later than {head_revision()}, and lets it work"
    say(f"the schema is at {has}{later}")


def _bring_to_head(url: str) -> None:
    try:
        migrate(url)
    except CommandError as error:  # a revision that this program does not know
        told = " ".join(str(error).split())
        raise RefusedError(f"the schema is of a later program: {told}") from error
