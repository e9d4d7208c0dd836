"""Bring the schema to head."""

from contextlib import suppress

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.pool import NullPool

from app.store.database import NEVER_PREPARE, dialect_url
from app.store.revision import MIGRATIONS


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
