"""The tables as SQLAlchemy Core knows them; `alembic check` holds them equal to the migrations."""

from app.store.schema import decisions, documents, evidence, parties, reconciliation, rules
from app.store.schema.columns import metadata

__all__ = ["decisions", "documents", "evidence", "metadata", "parties", "reconciliation", "rules"]
