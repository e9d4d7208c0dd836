"""`aval migrate`: the schema, brought to head."""

import typer
from alembic.util import CommandError

from app.cli.database import check_address, open_url, read_settings, say
from app.cli.failures import RefusedError
from app.store.migrate import migrate
from app.store.revision import head_revision


def register(cli: typer.Typer) -> None:
    """Add the command of this column."""
    cli.command("migrate")(_migrate)


def _migrate() -> None:
    """Bring the schema to head; several at once wait for each other."""
    settings = read_settings()
    if settings.database_url is None:
        with open_url(settings):
            pass  # which brings it to head
    else:
        direct = settings.work_database_url or settings.database_url
        check_address(direct, "AVAL_WORK_DATABASE_URL or AVAL_DATABASE_URL")
        _bring_to_head(direct)
    say(f"the schema is at {head_revision()}")


def _bring_to_head(url: str) -> None:
    try:
        migrate(url)
    except CommandError as error:  # a revision that this program does not know
        told = " ".join(str(error).split())
        raise RefusedError(f"the schema is of a later program: {told}") from error
