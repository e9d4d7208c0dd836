"""What is only ever added: the journal, ledger events, the history of holds; and the quarantine."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSON, JSONB, UUID

from app.store.schema.columns import instant, kind_of, metadata, minor, one_of, required

journal = Table(
    "journal",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    kind_of(
        "journal",
        "kind",
        "AUTHORIZE",
        "TOLERANCE",
        "RELEASE",
        "FREE",
        "FACT",
        "LIMIT",
        "LIMIT_EFFECTIVE",
        "FX_REVALUATION",
        "REGROUP",
        "MERGE",
        "CURRENCY",
        "ADJUSTMENT",
    ),
    required("ref"),
    Column("decision_id", UUID(as_uuid=False)),
    instant("at"),
    minor("authorized_minor"),
    minor("open_delivery_minor"),
    minor("open_item_minor"),
    minor("note_receivable_minor"),
    minor("prepayment_minor"),
    Column("limit_minor", BigInteger),
    Column("unlimited", Boolean, nullable=False),
    minor("forced_minor"),
    Column("foreign_use", JSONB),
    postgresql_partition_by="HASH (account_id)",
)

ledger_event = Table(
    "ledger_event",
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("content", BYTEA, nullable=False),
    required("type"),
    required("result"),
    Column("payload", JSON, nullable=False),
    instant("received_at", now=True),
    Index(
        "ledger_event_dispute_idx",
        text("(payload ->> 'invoice_id')"),
        postgresql_where=text("type = 'dispute'"),
    ),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", BigInteger, Identity(always=True), primary_key=True),
    required("source"),
    required("event_id"),
    required("segment_id"),
    required("customer_ref"),
    Column("account_id", BigInteger),
    Column(
        "concerns",
        ARRAY(BigInteger),
        nullable=False,
        server_default=text("'{}'"),
        comment="accounts besides its own whose figures it would have changed",
    ),
    Column("content", BYTEA, nullable=False),
    Column("payload", JSON, nullable=False),
    required("code"),
    required("detail"),
    Column("field", Text),
    required("cause", ""),
    Column(
        "document",
        Text,
        Computed(
            "'doc:' || segment_id || ':' || coalesce(payload ->> 'type', '') || ':'"
            " || coalesce(payload ->> CASE payload ->> 'type' WHEN 'dispute' THEN 'invoice_id'"
            " ELSE (payload ->> 'type') || '_id' END, '')"
            " || CASE payload ->> 'type'"
            " WHEN 'delivery' THEN chr(31) || coalesce(payload ->> 'order_id', '') ELSE '' END",
            persisted=True,
        ),
        nullable=False,
        comment="the document, named as `cause` does where a version of it would let the row go",
    ),
    required("status", "OPEN"),
    instant("received_at", now=True),
    instant("closed_at", nullable=True),
    Column("closed_by", Text, comment="who closed it by hand"),
    Column("close_reason", Text),
    one_of("status", "OPEN", "APPLIED", "SUPERSEDED", "CLOSED"),
    Index(
        "quarantine_open_idx",
        "cause",
        "quarantine_id",
        postgresql_where=text("status = 'OPEN'"),
    ),
    Index("quarantine_document_idx", "document", postgresql_where=text("status = 'OPEN'")),
    Index("quarantine_account_id_idx", "account_id"),
    Index("quarantine_source_event_id_idx", "source", "event_id"),
)

feed = Table(
    "feed",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    instant("last_at"),
    comment="when each source last reported facts of a segment",
)

order_hold_event = Table(
    "order_hold_event",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    Column(
        "hold_id", UUID(as_uuid=False), ForeignKey("order_hold.hold_id"), nullable=False, index=True
    ),
    required("action"),
    required("client"),
    Column("actor", Text),
    Column("reason_code", Text),
    Column("note", Text),
    Column("data", JSONB),
    instant("at"),
)
