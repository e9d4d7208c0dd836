"""What is known of customers from outside the ledger: statements, registry signals, rates of all.

Statements and signals are only added, each with the day on which it became known.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.domain.signals import COUNTED_KINDS, SignalRole
from app.store.schema.columns import instant, metadata, one_of, required

financial_statement = Table(
    "financial_statement",
    metadata,
    Column("statement_id", BigInteger, Identity(always=True), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    Column("period_end", Date, nullable=False),
    Column("known_on", Date, nullable=False),
    Column("currency", Text),
    Column("figures", JSONB, nullable=False),
    Column("ratios", JSONB, nullable=False),
    required("source"),
    required("client"),
    Column("actor", Text),
    instant("created_at", now=True),
    CheckConstraint("known_on >= period_end", name="known_on"),
    Index("financial_statement_customer_id_period_end_idx", "customer_id", "period_end"),
    comment="of a period the row known last holds, of those known since a day the one added last",
)

registry_signal = Table(
    "registry_signal",
    metadata,
    Column("signal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False, index=True),
    required("registry"),
    Column("known_on", Date, nullable=False),
    Column("kind", Text),
    Column("role", Text),
    Column("event_date", Date),
    Column("ended_on", Date),
    instant("created_at", now=True),
    one_of("kind", *COUNTED_KINDS),
    one_of("role", *(role.value for role in SignalRole)),
    comment="risk events; without a kind: a registry was asked and had nothing",
)

background_rate = Table(
    "background_rate",
    metadata,
    Column("day", Date, primary_key=True),
    Column("known", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("known_30", BigInteger, nullable=False),
    Column("late_30", BigInteger, nullable=False),
    CheckConstraint(
        "late BETWEEN 0 AND known AND late_30 BETWEEN 0 AND known_30",
        name="counts",
    ),
    comment="invoices of all customers whose outcome was known at the end of a day, and the late "
    "ones",
)
