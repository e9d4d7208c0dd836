"""Whose score is due, how far the night has come, and what people said instead of a score."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from app.store.schema.columns import instant, metadata, one_of, required

score_due = Table(
    "score_due",
    metadata,
    Column("due_id", BigInteger, Identity(always=True), primary_key=True),
    required("customer_id"),
    Column(
        "rank",
        SmallInteger,
        nullable=False,
        comment=(
            "0: something adverse, does not wait; 1: other; 2: the night; 3: a relative was scored"
        ),
    ),
    instant("since"),
    CheckConstraint("rank BETWEEN 0 AND 3", name="rank"),
    Index("score_due_rank_due_id_idx", "rank", "due_id"),
    Index("score_due_customer_id_rank_idx", "customer_id", text("(rank + 0)")),
    comment=(
        "whose score is to be computed anew; only added to, until a scorer takes all of a customer"
    ),
)

score_night = Table(
    "score_night",
    metadata,
    Column("segment_id", Text, ForeignKey("segment.segment_id"), primary_key=True),
    Column("night", Date, nullable=False),
    Column("after", Text, comment="the last customer that was put on the list"),
    Column("listed", Integer, nullable=False, server_default=text("0")),
    instant("begun_at"),
    instant("done_at", nullable=True),
    comment="how far the last night of each segment has come",
)

score_override = Table(
    "score_override",
    metadata,
    Column("override_id", UUID(as_uuid=False), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    required("risk_class"),
    required("reason"),
    instant("expires_at"),
    required("status"),
    required("client"),
    Column("actor", Text),
    instant("created_at"),
    Column("decided_by", Text),
    instant("decided_at", nullable=True),
    Column("ended_by", Text),
    instant("ended_at", nullable=True),
    one_of("risk_class", "A", "B", "C", "D", "E"),
    one_of("status", "PROPOSED", "IN_FORCE", "REJECTED", "REPLACED", "ENDED", "LAPSED"),
    CheckConstraint("expires_at > created_at", name="expiry"),
    CheckConstraint("reason <> ''", name="reason"),
    Index(
        "score_override_in_force_key",
        "customer_id",
        unique=True,
        postgresql_where=text("status = 'IN_FORCE'"),
    ),
    Index("score_override_expiry_idx", "expires_at", postgresql_where=text("status = 'IN_FORCE'")),
    Index("score_override_customer_id_idx", "customer_id", "created_at"),
)

score_shadow = Table(
    "score_shadow",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("customer_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    instant("scored_at"),
    Column("score", Integer),
    Column("probability", Double),
    required("risk_class"),
    Column("held_score", Integer),
    Column("held_probability", Double),
    Column(
        "held_class",
        Text,
        nullable=False,
        comment="the class that held then, an override's included",
    ),
    required("held_source"),
    Index("score_shadow_name_day_idx", "name", "day"),
    comment="what a model that only watches said, the last of each day",
)
