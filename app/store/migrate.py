"""Bring the schema to head, and refuse to run on another one."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.pool import NullPool

from app.domain.errors import SchemaOldError
from app.store.database import NEVER_PREPARE, Database, dialect_url

OLDEST_SERVER = (15,)

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def alembic_config(url: str) -> Config:
    """Configure Alembic without a file; the address goes in as an attribute (`%` needs no care)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option(
        "file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"
    )
    config.attributes["url"] = url
    return config


def head_revision() -> str:
    """Name the newest revision this program knows."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if head is None:
        message = f"no migrations in {MIGRATIONS}"
        raise RuntimeError(message)
    return head


def current_revision(database: Database) -> str | None:
    """Name the revision the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`; several at once wait for each other.

    The table lock is held by a second connection, so that a pooler in between and a failed
    migration both let it go (Alembic has no lock of its own).
    """
    engine = create_engine(dialect_url(url), poolclass=NullPool, connect_args=NEVER_PREPARE)
    # IF NOT EXISTS does not see what another transaction is just making; either way it is there.
    with suppress(IntegrityError, ProgrammingError), engine.begin() as holder:
        holder.execute(text("CREATE TABLE IF NOT EXISTS migration_lock (one integer NOT NULL)"))
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE"))
        command.upgrade(alembic_config(url), revision)
    engine.dispose()


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
