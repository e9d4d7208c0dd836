"""What was told of documents before, so that a feature as of a day knows what was known by then."""

from sqlalchemy import BigInteger, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.store.schema.columns import instant, metadata, one_of

KINDS = ("invoice", "payment", "note", "credit_note", "write_off")
"""Kinds of documents that features look at."""

past_version = Table(
    "past_version",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False, comment="the payer then; of evidence"),
    instant("told_at", nullable=True),
    Column("body", JSONB, nullable=False, comment="what features look at, in minor units"),
    one_of("kind", *KINDS),
    comment="versions of documents that are not their newest, however often they said the same",
)

retold = Table(
    "retold",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("invoice_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column(
        "account_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="of an invoice, one that it was with; of others 0",
    ),
    Index("retold_account_id_idx", "account_id", postgresql_where=text("account_id > 0")),
    comment="invoices that a document reaches of which something else was told before",
)
