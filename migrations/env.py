"""Run the migrations; the address comes from the caller (`app/store/migrate.py`)."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.store.database import NEVER_PREPARE, dialect_url
from app.store.migrate import say_since
from app.store.schema import metadata


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Leave partitions to the functions that make them, and the lock table to `migrate`."""
    del parents
    return not (
        kind == "table"
        and name is not None
        and name.startswith(("decision_p", "journal_p", "request_key_p", "migration_lock"))
    )


def include_object(item: object, name: str | None, kind: str, *_: object) -> bool:
    """Leave the lock table to `migrate`."""
    del item
    return not (kind == "table" and name == "migration_lock")


def run() -> None:
    """Migrate in one transaction, or not at all."""
    url = context.config.attributes["url"]
    engine = create_engine(dialect_url(url), poolclass=NullPool, connect_args=NEVER_PREPARE)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_name=include_name,
            include_object=include_object,
            compare_server_default=True,
        )
        with context.begin_transaction():
            # whoever reads a table that is to change would keep everybody else waiting behind us
            connection.execute(text("SET LOCAL lock_timeout = '3s'"))
            context.run_migrations()
            say_since(connection, context.script)
    engine.dispose()


run()
