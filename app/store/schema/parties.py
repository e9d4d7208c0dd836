"""Who buys on which terms: segments, customers, accounts, limits, rates, API keys."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSON, JSONB, UUID

from app.store.schema.columns import MAX_TOTAL, flag, instant, metadata, minor, one_of, required

segment = Table(
    "segment",
    metadata,
    Column("segment_id", Text, primary_key=True),
    required("name"),
    required("currency", "CNY"),
    required("time_zone", "Asia/Shanghai"),
    required("mode", "ENFORCE"),
    flag("four_eyes"),
    Column("rule_set_version", Integer, nullable=False, server_default=text("1")),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("credit_horizon_days", Integer, comment="orders that ship later do not count yet"),
    one_of("mode", "OFF", "SHADOW", "WARN", "ENFORCE"),
    CheckConstraint("credit_horizon_days BETWEEN 0 AND 3650", name="credit_horizon_days"),
    Column("provisional_haircut_percent", Integer, nullable=False, server_default=text("100")),
    CheckConstraint(
        "provisional_haircut_percent BETWEEN 0 AND 100", name="provisional_haircut_percent"
    ),
    Column(
        "own_rule_set",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="false: it follows the default for all segments",
    ),
    Column("next_rule_set_version", Integer, comment="in force from next_rule_set_at on"),
    instant("next_rule_set_at", nullable=True),
    CheckConstraint(
        "num_nonnulls(next_rule_set_version, next_rule_set_at) IN (0, 2)", name="next_rule_set"
    ),
)

customer = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    required("name"),
    required("kind", "company"),
    Column("country", Text),
    Column("uscc", Text),
    Column("lei", Text),
    Column("industry", Text),
    Column("parent_id", Text, ForeignKey("customer.customer_id")),
    Column("since", Date),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("size", Text, comment="by the number of people and turnover, as the state divides"),
    Column("merged_into", Text, ForeignKey("customer.customer_id")),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    instant("created_at", now=True),
    instant("updated_at", now=True),
    one_of("kind", "company", "sole_trader", "person"),
    one_of("size", "LARGE", "MEDIUM", "SMALL", "MICRO"),
    CheckConstraint("parent_id <> customer_id", name="own_parent"),
    Index("customer_parent_id_idx", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    Index("customer_uscc_idx", "uscc", postgresql_where=text("uscc IS NOT NULL")),
)

customer_ref = Table(
    "customer_ref",
    metadata,
    Column("ref", Text, primary_key=True, comment="a customer_id or an alias of one"),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False, index=True),
)

account = Table(
    "account",
    metadata,
    Column("account_id", BigInteger, Identity(always=True), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    Column("segment_id", Text, ForeignKey("segment.segment_id"), nullable=False),
    Column("path", ARRAY(BigInteger), nullable=False, comment="itself, then its groups, upwards"),
    required("currency"),
    required("currency_source", "SEGMENT"),
    Column("payment_terms_days", Integer),
    Column("owner", Text),
    required("status", "OPEN"),
    Column("limit_minor", BigInteger),
    flag("unlimited"),
    flag("limit_expired"),
    flag("limit_withheld"),
    Column("limit_changes_on", Date, comment="first business date on which the limit may differ"),
    minor("authorized_minor", default=True),
    minor("open_delivery_minor", default=True),
    minor("open_item_minor", default=True),
    minor("note_receivable_minor", default=True),
    minor("prepayment_minor", default=True),
    minor("forced_minor", default=True),
    Column("foreign_use", JSONB, comment="positions in other currencies and the rates that value"),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("input_version", Integer, nullable=False, server_default=text("0")),
    Column("quarantined", Integer, nullable=False, server_default=text("0")),
    Column(
        "blanks",
        Text,
        server_default=text("repeat(' ', 150)"),
        comment="taken away by the first order, which leaves room on the page for versions to come",
    ),
    UniqueConstraint("customer_id", "segment_id"),
    Index("account_segment_id_owner_idx", "segment_id", "owner"),
    Index(
        "account_foreign_idx",
        "account_id",
        postgresql_where=text("foreign_use IS NOT NULL"),
    ),
    Index(
        "account_limit_changes_on_idx",
        "limit_changes_on",
        "account_id",
        postgresql_where=text("limit_changes_on IS NOT NULL"),
    ),
    one_of("status", "OPEN", "STOPPED"),
    one_of("currency_source", "SEGMENT", "LEDGER", "LIMIT", "CUSTOMER"),
    CheckConstraint(
        "unlimited OR authorized_minor + open_delivery_minor + open_item_minor"
        " + note_receivable_minor - prepayment_minor <= coalesce(limit_minor, 0) + forced_minor",
        name="never_over",
    ),
    CheckConstraint(
        "limit_minor >= 0 AND authorized_minor >= 0 AND open_delivery_minor >= 0"
        " AND open_item_minor >= 0 AND note_receivable_minor >= 0 AND prepayment_minor >= 0"
        " AND forced_minor >= 0 AND quarantined >= 0",
        name="not_negative",
    ),
    CheckConstraint(
        f"greatest(authorized_minor, open_delivery_minor, open_item_minor, note_receivable_minor,"
        f" prepayment_minor) <= {MAX_TOTAL}",
        name="bounded",
    ),
    postgresql_with={"fillfactor": "75"},
)

account_input = Table(
    "account_input",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("data", JSONB, nullable=False),
    instant("created_at", now=True),
    Column(
        "for_rules",
        JSON,
        comment="data without reasons of the score, by a trigger; null in what is older than it",
    ),
)

credit_limit = Table(
    "credit_limit",
    metadata,
    Column("limit_id", UUID(as_uuid=False), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.account_id"), nullable=False, index=True),
    required("kind"),
    Column("limit_minor", BigInteger),
    required("currency"),
    Column("unlimited", Boolean, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    required("status"),
    Column("reason", Text),
    required("proposed_by"),
    Column("decided_by", Text),
    instant("decided_at", nullable=True),
    Column("ended_by", Text),
    instant("ended_at", nullable=True),
    instant("created_at", now=True),
    Column("cover_kind", Text),
    Column("percentage", Numeric(5, 2)),
    Column("cap_minor", BigInteger),
    Column("reference", Text),
    Column("end_proposed_by", Text),
    instant("end_proposed_at", nullable=True),
    required("origin", "MANUAL"),
    Column("evidence", JSONB(none_as_null=True), comment="how a DYNAMIC one was worked out"),
    *(Column(f"{done}_actor", Text) for done in ("proposed", "decided", "end_proposed", "ended")),
    one_of("kind", "base", "temporary", "cover"),
    one_of("origin", "MANUAL", "DYNAMIC"),
    CheckConstraint("(end_proposed_by IS NULL) = (end_proposed_at IS NULL)", name="end_proposed"),
    Index(
        "credit_limit_valid_to_idx",
        "valid_to",
        "limit_id",
        postgresql_where=text("status = 'APPROVED' AND valid_to IS NOT NULL"),
    ),
    one_of("cover_kind", "INSURANCE", "GUARANTEE", "DEPOSIT"),
    CheckConstraint(
        "CASE kind WHEN 'cover' THEN cover_kind IS NOT NULL AND NOT unlimited"
        " AND percentage > 0 AND percentage <= 100 AND cap_minor > 0"
        " AND limit_minor IS NOT DISTINCT FROM floor(cap_minor * percentage / 100)"
        " ELSE num_nonnulls(cover_kind, percentage, cap_minor, reference) = 0 END",
        name="cover",
    ),
    one_of("status", "PROPOSED", "APPROVED", "REJECTED", "ENDED"),
    CheckConstraint("valid_to >= valid_from", name="dates"),
    CheckConstraint("NOT (unlimited AND limit_minor IS NOT NULL)", name="unlimited"),
)

limit_policy = Table(
    "limit_policy",
    metadata,
    Column("segment_id", Text, ForeignKey("segment.segment_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("data", JSONB, nullable=False),
    required("client"),
    Column("actor", Text),
    instant("created_at", now=True),
)

limit_review = Table(
    "limit_review",
    metadata,
    Column("review_id", UUID(as_uuid=False), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.account_id"), nullable=False, index=True),
    Column("reviewed_on", Date, nullable=False),
    Column("note", Text),
    required("client"),
    Column("actor", Text),
    instant("at"),
)

fx_rate = Table(
    "fx_rate",
    metadata,
    Column("rate_id", BigInteger, Identity(always=True), primary_key=True),
    required("base"),
    required("quote"),
    Column("rate", Numeric(38, 18), nullable=False),
    Column("rate_date", Date, nullable=False),
    required("source"),
    instant("created_at", now=True),
    CheckConstraint("rate > 0", name="rate"),
    Index("fx_rate_pair_idx", "base", "quote", "rate_date"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("hash", BYTEA, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("segments", ARRAY(Text)),
    instant("created_at", now=True),
    instant("revoked_at", nullable=True),
)

migration_lock = Table("migration_lock", metadata, Column("one", Integer, nullable=False))
