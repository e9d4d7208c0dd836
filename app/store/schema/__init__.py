"""The tables as SQLAlchemy Core knows them; `alembic check` holds them equal to the migrations."""

from app.store.schema import (
    authority,
    changes,
    decisions,
    documents,
    evidence,
    models,
    outside,
    parties,
    reconciliation,
    refresh,
    retold,
    rules,
    versions,
)
from app.store.schema.columns import metadata

__all__ = [
    "authority",
    "changes",
    "decisions",
    "documents",
    "evidence",
    "metadata",
    "models",
    "outside",
    "parties",
    "reconciliation",
    "refresh",
    "retold",
    "rules",
    "versions",
]
