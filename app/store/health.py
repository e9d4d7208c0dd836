"""What a readiness check asks of the database."""

from alembic.runtime.migration import MigrationContext

from app.store.database import Tx


def revision(tx: Tx) -> str | None:
    """Name the revision the schema is at; None where there is none."""
    return MigrationContext.configure(tx).get_current_revision()
