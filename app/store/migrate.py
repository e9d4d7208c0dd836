"""Bring the schema to head."""

from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from app.store.database import NEVER_PREPARE, dialect_url
from app.store.revision import MIGRATIONS, is_later, revision_of

_MADE_MEANWHILE: Final = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
)
"""Another migration made it in between; either way it is there."""

_LOCK_TABLE: Final = text("SELECT to_regclass('migration_lock')")


def alembic_config(url: str, scripts: Path = MIGRATIONS) -> Config:
    """Configure Alembic without a file; the address goes in as an attribute (`%` needs no care)."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option(
        "file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"
    )
    config.attributes["url"] = url
    return config


def migrate(url: str, revision: str = "head", scripts: Path = MIGRATIONS) -> None:
    """Bring the schema to `revision`; several at once wait for each other.

    A schema of a later program that lets this one work stays as it is. The address's role must be
    allowed to CREATE on the schema, save where there is nothing to do.

    The table lock is held by a second connection, so that a pooler in between and a failed
    migration both let it go (Alembic has no lock of its own).
    """
    engine = create_engine(dialect_url(url), poolclass=NullPool, connect_args=NEVER_PREPARE)
    try:
        with engine.begin() as holder:
            if holder.scalar(_LOCK_TABLE) is None:  # who may not CREATE may find all at head
                holder.execute(text("CREATE TABLE migration_lock (one integer NOT NULL)"))
    except DBAPIError as error:
        if not isinstance(error.orig, _MADE_MEANWHILE):
            raise
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE"))
        if not is_later(holder):
            command.upgrade(alembic_config(url, scripts), revision)
    engine.dispose()


def say_since(connection: Connection, script: ScriptDirectory) -> None:
    """Keep since which revision programs work on the schema, as its migrations say.

    That is the newest one that does not say `breaks_older = False`. In the migrations' own
    transaction: a schema that breaks older programs is never there without saying so.
    """
    has = revision_of(connection)
    if has is None or connection.scalar(text("SELECT to_regclass('schema_terms')")) is None:
        return
    chain = script.iterate_revisions(has, "base")
    since = next(step.revision for step in chain if getattr(step.module, "breaks_older", True))
    connection.execute(
        text("UPDATE schema_terms SET programs_since = :since WHERE programs_since <> :since"),
        {"since": since},
    )
