"""What the schema says of itself; `alembic_version` beside it is Alembic's."""

from sqlalchemy import Column, Table, Text

from app.store.schema.columns import metadata

schema_terms = Table(
    "schema_terms",
    metadata,
    Column("programs_since", Text, primary_key=True),
    comment="one row: programs with a migration of this revision work on the schema",
)
