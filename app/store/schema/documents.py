"""What the ERP reports: orders, deliveries, invoices, payments, notes, credits, disputes.

A document is (segment, type, id); its newest version holds. Columns that end in `_minor` and are
marked as shares are what the document adds to its account at the moment, in its own currency.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from app.store.schema.columns import content, flag, instant, metadata, minor, one_of, required

LAPSING = "status = 'PROVISIONAL' AND lapsed_at IS NULL AND expires_at IS NOT NULL"
"""Payments that count until a moment, as an index knows them."""


def _document(name: str) -> list[Column[object]]:
    return [Column("segment_id", Text, primary_key=True), Column(name, Text, primary_key=True)]


def _told_at() -> Column[object]:
    """Make the column of the moment when a document's version was told first."""
    return Column(
        "told_at",
        DateTime(timezone=True),
        comment="since when this version is known; null: ever since, as far as anybody knows",
    )


UNSPENT: Final = "state = 'LIVE' AND (reserved_minor > 0 OR counts_from IS NOT NULL)"
"""Orders whose expiry changes something; queries must say it in these words to use the index."""
ENDED: Final = "state IN ('RELEASED', 'EXPIRED')"

credit_order = Table(
    "credit_order",
    metadata,
    *_document("order_id"),
    Column("account_id", BigInteger, nullable=False, comment="the payer"),
    required("currency"),
    Column("version", BigInteger, comment="the newest seen in asks and facts"),
    Column("closed_version", BigInteger),
    Column("authorization_id", UUID(as_uuid=False), unique=True),
    required("state", "NONE"),
    minor("authorized_minor", default=True),
    minor("reserved_minor", default=True),
    instant("expires_at", nullable=True),
    instant("authorized_at", nullable=True),
    Column("released_max_minor", BigInteger),
    instant("released_until", nullable=True),
    flag("rejected"),
    Column("hold_id", UUID(as_uuid=False)),
    Column("hold_kind", Text),
    Column("counts_from", Date, comment="nothing is reserved before this business date"),
    flag("untested", "not all of it was held to the limits: the next ask tests it"),
    one_of("state", "NONE", "LIVE", "RELEASED", "EXPIRED"),
    CheckConstraint(
        "reserved_minor BETWEEN 0 AND authorized_minor AND (state = 'LIVE' OR reserved_minor = 0)",
        name="reserved",
    ),
    CheckConstraint(
        "counts_from IS NULL OR (state = 'LIVE' AND reserved_minor = 0)", name="counts_from"
    ),
    Index("credit_order_due_idx", "expires_at", postgresql_where=text(UNSPENT)),
    Index(
        "credit_order_counts_from_idx",
        "counts_from",
        "segment_id",
        "order_id",
        postgresql_where=text("counts_from IS NOT NULL"),
    ),
    Index("credit_order_account_id_authorization_id_idx", "account_id", "authorization_id"),
    Index("credit_order_ended_idx", "state", "authorization_id", postgresql_where=text(ENDED)),
    postgresql_with={"fillfactor": "70"},
)

past_authorization = Table(
    "past_authorization",
    metadata,
    Column("authorization_id", UUID(as_uuid=False), primary_key=True),
    required("segment_id"),
    required("order_id"),
    Column("account_id", BigInteger, nullable=False),
    required("currency"),
    minor("authorized_minor"),
    instant("expires_at", nullable=True),
    instant("authorized_at", nullable=True),
    instant("released_at", now=True),
    Column("state", Text, comment="RELEASED or EXPIRED; null: released, as far as is known"),
    one_of("state", "RELEASED", "EXPIRED"),
    Index("past_authorization_account_id_authorization_id_idx", "account_id", "authorization_id"),
    Index("past_authorization_segment_id_order_id_idx", "segment_id", "order_id"),
    Index("past_expired_idx", "authorization_id", postgresql_where=text("state = 'EXPIRED'")),
)

order_use = Table(
    "order_use",
    metadata,
    *_document("order_id"),
    Column("account_id", BigInteger, primary_key=True),
    Column("currency", Text, primary_key=True),
    minor("delivered_minor"),
    minor("invoiced_minor"),
    Index(
        "order_use_open_idx",
        "account_id",
        "order_id",
        postgresql_where=text("delivered_minor > invoiced_minor"),
    ),
    comment="by order, payer and currency; a lone delivery has its own order",
)

order_fact = Table(
    "order_fact",
    metadata,
    *_document("order_id"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    required("currency"),
    minor("amount_minor"),
    required("status"),
    content(),
)

delivery = Table(
    "delivery",
    metadata,
    *_document("delivery_id"),
    Column("order_id", Text, primary_key=True, comment="empty: without an order"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False, index=True),
    required("currency"),
    minor("amount_minor"),
    content(),
    Index("delivery_segment_id_order_id_idx", "segment_id", "order_id"),
)

invoice = Table(
    "invoice",
    metadata,
    *_document("invoice_id"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    required("currency"),
    minor("amount_minor"),
    Column("issue_date", Date, nullable=False),
    Column("due_date", Date, nullable=False),
    minor("open_minor"),
    minor("excess_minor", default=True),
    content(),
    _told_at(),
    CheckConstraint("open_minor BETWEEN 0 AND amount_minor", name="open"),
    Index("invoice_account_id_issue_date_idx", "account_id", "issue_date"),
    Index(
        "invoice_open_idx",
        "account_id",
        "due_date",
        postgresql_include=["open_minor", "currency"],  # asks sum them without reading rows
        postgresql_where=text("open_minor > 0"),
    ),
    Index(
        "invoice_excess_idx",
        "account_id",
        "invoice_id",
        postgresql_where=text("excess_minor > 0"),
    ),
)

invoice_line = Table(
    "invoice_line",
    metadata,
    *_document("invoice_id"),
    Column("line_no", Integer, primary_key=True),
    Column("order_id", Text),
    Column("delivery_id", Text),
    minor("amount_minor"),
    Column("final", Boolean, nullable=False),
    Index("invoice_line_segment_id_order_id_idx", "segment_id", "order_id"),
    Index("invoice_line_segment_id_delivery_id_idx", "segment_id", "delivery_id"),
)

payment = Table(
    "payment",
    metadata,
    *_document("payment_id"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False, index=True),
    required("currency"),
    minor("amount_minor"),
    Column("paid_date", Date, nullable=False),
    required("status", "FINAL"),
    instant("expires_at", nullable=True),
    Column("haircut_percent", Integer, comment="in force when a PROVISIONAL version was applied"),
    instant("lapsed_at", nullable=True),
    Column("note_id", Text),
    Column("note_kind", Text),
    Column("note_due_date", Date),
    minor("prepayment_minor", default=True),
    minor("note_receivable_minor", default=True),
    content(),
    _told_at(),
    one_of("status", "FINAL", "PROVISIONAL"),
    CheckConstraint(
        "(status = 'PROVISIONAL') = (haircut_percent IS NOT NULL)"
        " AND haircut_percent BETWEEN 0 AND 100"
        " AND (lapsed_at IS NULL OR status = 'PROVISIONAL' AND expires_at <= lapsed_at)",
        name="provisional",
    ),
    Index("payment_expires_at_idx", "expires_at", postgresql_where=text(LAPSING)),
    Index(
        "payment_counts_until_idx",
        "expires_at",
        postgresql_where=text(f"{LAPSING} AND prepayment_minor > 0"),
    ),
    Index(
        "payment_open_idx",
        "account_id",
        "payment_id",
        postgresql_where=text("prepayment_minor > 0 OR note_receivable_minor > 0"),
    ),
    Index(
        "payment_segment_id_note_id_idx",
        "segment_id",
        "note_id",
        postgresql_where=text("note_id IS NOT NULL"),
    ),
)

allocation = Table(
    "allocation",
    metadata,
    *_document("payment_id"),
    Column("line_no", Integer, primary_key=True),
    required("invoice_id"),
    minor("amount_minor"),
    minor("discount_minor", default=True),
    Index("allocation_segment_id_invoice_id_idx", "segment_id", "invoice_id"),
)

note = Table(
    "note",
    metadata,
    *_document("note_id"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    required("status"),
    Column("recourse", Boolean, nullable=False, server_default=text("true")),
    content(),
    _told_at(),
    one_of("status", "OPEN", "PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"),
)

credit = Table(
    "credit",
    metadata,
    *_document("credit_id"),
    Column("kind", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False, index=True),
    required("currency"),
    Column("invoice_id", Text),
    minor("amount_minor"),
    Column("credit_date", Date, nullable=False),
    minor("prepayment_minor", default=True),
    content(),
    _told_at(),
    one_of("kind", "credit_note", "write_off"),
    Index(
        "credit_open_idx",
        "account_id",
        "credit_id",
        postgresql_where=text("prepayment_minor > 0"),
    ),
    Index("credit_segment_id_invoice_id_idx", "segment_id", "invoice_id"),
)

dispute = Table(
    "dispute",
    metadata,
    *_document("invoice_id"),
    Column("version", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("since", Date, nullable=False),
    content(),
)
