"""Which revision the schema is at and which this program needs, read without Alembic.

Every process asks this at its start and keeps what it imported for it; Alembic and what it brings
(templates, highlighting) are 8 MB and half a second, and only those who migrate need them.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from app.domain.errors import SchemaOldError
from app.store.database import Database

OLDEST_SERVER: Final = (15,)

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"

_NAMED: Final = re.compile(r'^(revision|down_revision)\b[^=\n]*= *"([^"]+)"$', re.MULTILINE)


@cache
def head_revision() -> str:
    """Name the newest revision this program knows: the one that no other goes on from.

    Raises:
        RuntimeError: There is none, or several.

    """
    known: set[str] = set()
    gone_on_from: set[str] = set()
    for place in (MIGRATIONS / "versions").glob("*.py"):
        for what, name in _NAMED.findall(place.read_text(encoding="utf-8")):
            (known if what == "revision" else gone_on_from).add(name)
    heads = known - gone_on_from
    if len(heads) != 1:
        message = f"{len(heads)} newest migrations in {MIGRATIONS}: {', '.join(sorted(heads))}"
        raise RuntimeError(message)
    return heads.pop()


def revision_of(connection: Connection) -> str | None:
    """Name the revision the database is at; None for an empty one."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    named: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return named


def current_revision(database: Database) -> str | None:
    """Name the revision the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return revision_of(connection)


def refuse_old_server(version: Sequence[int | str]) -> None:
    """Refuse a PostgreSQL older than what the statements are written for; `version` is (18, 4).

    Raises:
        SchemaOldError: Says which version it is and which is needed.

    """
    if tuple(int(part) for part in version) < OLDEST_SERVER:
        told = ".".join(map(str, version)) or "of unknown version"
        raise SchemaOldError(
            f"the database is PostgreSQL {told}, this program needs {OLDEST_SERVER[0]} or later"
        )


def require_head(database: Database) -> None:
    """Refuse a database whose schema is not the newest one known here.

    Raises:
        SchemaOldError: Says which revision it has, which is needed, and what to run.

    """
    with database.engine.connect() as connection:
        refuse_old_server(connection.dialect.server_version_info or ())
    has, needs = current_revision(database), head_revision()
    if has != needs:
        raise SchemaOldError(
            f"the database schema is at revision {has or 'none (empty)'}, this program needs"
            f" {needs}: run `aval migrate`"
        )
