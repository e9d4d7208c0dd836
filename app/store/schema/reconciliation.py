"""The ERP's own figures against ours: what was compared, what differs, and what was adjusted."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from app.store.schema.columns import content, instant, metadata, minor, one_of, required

reconciliation = Table(
    "reconciliation",
    metadata,
    Column("reconciliation_id", UUID(as_uuid=False), primary_key=True),
    required("source"),
    required("snapshot_id"),
    content(),
    instant("as_of"),
    instant("compared_at"),
    required("client"),
    Column("actor", Text),
    Column("matched", Integer, nullable=False),
    Column("drifted", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("results", JSON, nullable=False),
    UniqueConstraint("client", "source", "snapshot_id"),
    Index("reconciliation_newest_idx", "client", "source", "as_of"),
)

reconciliation_feed = Table(
    "reconciliation_feed",
    metadata,
    Column("source", Text, primary_key=True),
    instant("as_of"),
    comment="snapshots that name one source queue here, whoever tells them",
)

drift = Table(
    "drift",
    metadata,
    Column("drift_id", UUID(as_uuid=False), primary_key=True),
    Column(
        "reconciliation_id",
        UUID(as_uuid=False),
        ForeignKey("reconciliation.reconciliation_id"),
        nullable=False,
    ),
    required("source"),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    required("segment_id"),
    required("category"),
    required("currency"),
    minor("ours_minor"),
    minor("theirs_minor"),
    Column("seq", BigInteger, nullable=False, comment="the account's, when it was compared"),
    required("status", "OPEN"),
    instant("compared_at"),
    instant("closed_at", nullable=True),
    Column(
        "moved",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="documents moved the account since the snapshot's moment",
    ),
    one_of("category", "AUTHORIZED", "OPEN_DELIVERY", "OPEN_ITEM", "NOTE_RECEIVABLE", "PREPAYMENT"),
    one_of("status", "OPEN", "ADJUSTED", "SUPERSEDED"),
    CheckConstraint("ours_minor <> theirs_minor", name="differs"),
    Index(
        "drift_open_key",
        "customer_id",
        "segment_id",
        "category",
        "currency",
        "source",
        unique=True,
        postgresql_where=text("status = 'OPEN'"),
    ),
    Index("drift_open_idx", "drift_id", postgresql_where=text("status = 'OPEN'")),
    comment="what differs; an open one is the newest comparison of its figure by its source",
)

adjustment = Table(
    "adjustment",
    metadata,
    Column("adjustment_id", UUID(as_uuid=False), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.account_id"), nullable=False, index=True),
    required("kind"),
    required("category"),
    required("currency"),
    minor("amount_minor"),
    required("reason"),
    Column("drift_id", UUID(as_uuid=False), ForeignKey("drift.drift_id"), unique=True),
    Column("reverses", UUID(as_uuid=False), ForeignKey("adjustment.adjustment_id")),
    required("client"),
    Column("actor", Text),
    instant("at"),
    one_of("kind", "DRIFT", "REVERSAL", "GIVEN_WAY"),
    one_of("category", "OPEN_DELIVERY", "OPEN_ITEM", "NOTE_RECEIVABLE", "PREPAYMENT"),
    CheckConstraint("amount_minor <> 0", name="amount"),
    CheckConstraint(
        "(drift_id IS NOT NULL) = (kind = 'DRIFT') AND (reverses IS NULL) = (kind = 'DRIFT')",
        name="cause",
    ),
    Index("adjustment_reverses_idx", "reverses", postgresql_where=text("reverses IS NOT NULL")),
    comment="signed; a DRIFT stands until REVERSAL or GIVEN_WAY of it take it back",
)
