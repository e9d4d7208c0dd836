"""What Aval decided and on what: rule sets, scorecards, scores, decisions, keys, order holds."""

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
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSON, JSONB, UUID

from app.store.schema.columns import flag, instant, kind_of, metadata, one_of, required

rule_set = Table(
    "rule_set",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("data", JSONB, nullable=False),
    instant("created_at", now=True),
)

scorecard = Table(
    "scorecard",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    required("name"),
    Column("data", JSONB, nullable=False),
    flag("active"),
    instant("created_at", now=True),
    Index("scorecard_active_key", "active", unique=True, postgresql_where=text("active")),
)

score = Table(
    "score",
    metadata,
    Column("score_id", BigInteger, Identity(always=True), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    Column("data", JSONB, nullable=False),
    instant("scored_at"),
    Index("score_customer_id_score_id_idx", "customer_id", "score_id"),
)

customer_score = Table(
    "customer_score",
    metadata,
    Column("customer_id", Text, ForeignKey("customer.customer_id"), primary_key=True),
    Column("score_id", BigInteger, ForeignKey("score.score_id")),
    Column("features_as_of", Date),
    instant("scored_at", nullable=True),
    Column("seen", JSONB, comment="the seq of each account whose facts the score knows"),
    comment="the score in force, and when it was last found so; null only within a transaction",
    postgresql_with={"fillfactor": "70"},
)

decision = Table(
    "decision",
    metadata,
    Column("decision_id", UUID(as_uuid=False), primary_key=True),
    kind_of("decision", "kind", "CHECK", "AUTHORIZATION", "RELEASE"),
    Column("account_id", BigInteger, nullable=False),
    required("segment_id"),
    required("customer_id"),
    required("order_id"),
    kind_of("decision", "outcome", "APPROVE", "HOLD", "REJECT"),
    required("judged"),
    required("client"),
    Column("actor", Text),
    instant("evaluated_at"),
    Column("rule_set_version", Integer, nullable=False),
    Column("input_version", Integer, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("record", BYTEA, nullable=False, comment="inputs and answer, see app/store/packing.py"),
    flag("opens", "the authorization of its id is its own: by that it is found, not by indexes"),
    Index(
        "decision_by_account_idx", "account_id", "decision_id", postgresql_where=text("NOT opens")
    ),
    Index("decision_by_order_idx", "segment_id", "order_id", postgresql_where=text("NOT opens")),
    postgresql_partition_by="RANGE (decision_id)",
)

request_key = Table(
    "request_key",
    metadata,
    Column("client", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("hash", BYTEA, nullable=False),
    Column("decision_id", UUID(as_uuid=False)),
    Column("status", SmallInteger),
    Column("answer", JSON),
    instant("created_at", now=True),
    postgresql_partition_by="HASH (client, key)",
)

order_hold = Table(
    "order_hold",
    metadata,
    Column("hold_id", UUID(as_uuid=False), primary_key=True),
    required("kind"),
    required("status", "OPEN"),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    Column("account_id", BigInteger),
    Column("segment_id", Text, comment="null: a stop in every segment"),
    Column("order_id", Text),
    Column("ask", JSONB, comment="the question that was held, with its expires_in"),
    Column("reasons", JSONB, nullable=False, server_default=text("'[]'")),
    Column("unblock", JSONB, nullable=False, server_default=text("'[]'")),
    Column("decision_id", UUID(as_uuid=False)),
    Column("authorization_id", UUID(as_uuid=False)),
    Column("reason_code", Text),
    instant("opened_at"),
    instant("updated_at"),
    instant("closed_at", nullable=True),
    Column("auto_release", Boolean, comment="false: the policy wants a person to release it"),
    Column("judged_on", Text, comment="digest of what the last judgement rested on"),
    Column("escalation_level", Integer),
    Column("escalated_to", Text),
    instant("escalated_at", nullable=True),
    CheckConstraint(
        "num_nonnulls(escalation_level, escalated_to, escalated_at) IN (0, 3)"
        " AND escalation_level > 0",
        name="escalation",
    ),
    one_of("kind", "AUTOMATIC", "FORCED", "STOP"),
    one_of("status", "OPEN", "RELEASED", "REJECTED", "CANCELLED"),
    Index(
        "order_hold_open_key",
        "segment_id",
        "order_id",
        unique=True,
        postgresql_where=text("status = 'OPEN' AND order_id IS NOT NULL"),
    ),
    Index("order_hold_customer_id_idx", "customer_id"),
    Index("order_hold_status_opened_at_idx", "status", "opened_at"),
    Index("order_hold_updated_at_idx", "updated_at"),
    Index(
        "order_hold_automatic_idx",
        "opened_at",
        "hold_id",
        postgresql_where=text("status = 'OPEN' AND kind = 'AUTOMATIC'"),
    ),
    Index(
        "order_hold_escalation_idx",
        "opened_at",
        "hold_id",
        postgresql_where=text("status = 'OPEN' AND kind <> 'STOP'"),
    ),
)
