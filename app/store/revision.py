"""Which revision the schema is at and which this program needs, read without Alembic.

Every process asks this at its start and keeps what it imported for it; Alembic and what it brings
(templates, highlighting) are 8 MB and half a second, and only those who migrate need them.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from app.domain.errors import SchemaOldError
from app.store.database import Database

log = logging.getLogger(__name__)

OLDEST_SERVER: Final = (15,)

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"

_NAMED: Final = re.compile(r'^(revision|down_revision)\b[^=\n]*= *"([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Known:
    """The revisions this program has migrations for, and the newest of them."""

    revisions: frozenset[str]
    head: str


@cache
def known_revisions() -> Known:
    """Name what this program knows; the newest is the one that no other goes on from.

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
    return Known(frozenset(known), heads.pop())


def head_revision() -> str:
    """Name the newest revision this program knows.

    Raises:
        RuntimeError: There is none, or several.

    """
    return known_revisions().head


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


def unfit(connection: Connection) -> str | None:
    """Say why this program cannot work on the schema; None if it can.

    It can on its newest, and on a later one that says so: it names the revision since which
    programs work on it (docs/decisions/0117).
    """
    has, known = revision_of(connection), known_revisions()
    if has == known.head:
        return None
    at = f"the database schema is at revision {has or 'none (empty)'}"
    if has is None or has in known.revisions:
        return f"{at}, this program needs {known.head}: run `aval migrate`"
    since = _programs_since(connection)
    if since in known.revisions:
        return None
    told = f"programs that know {since}" if since else "none that it tells of"
    return f"{at}, which lets work {told}; this program knows {known.head}: start a later one"


def is_later(connection: Connection) -> bool:
    """Say whether the schema is later than what this program knows, and lets it work."""
    return revision_of(connection) != head_revision() and unfit(connection) is None


def _programs_since(connection: Connection) -> str | None:
    if connection.scalar(text("SELECT to_regclass('schema_terms')")) is None:
        return None
    since: str | None = connection.scalar(text("SELECT programs_since FROM schema_terms"))
    return since


def require_schema(database: Database) -> None:
    """Refuse a database on whose schema this program cannot work.

    Raises:
        SchemaOldError: Says which revision it has, which is needed, and what to do.

    """
    with database.engine.connect() as connection:
        refuse_old_server(connection.dialect.server_version_info or ())
        if why := unfit(connection):
            raise SchemaOldError(why)
        if is_later(connection):
            log.info("the schema is later than this program, at %s", revision_of(connection))
