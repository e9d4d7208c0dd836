"""The life of rule sets: who wrote, proposed, approved and activated which version."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from app.store.schema.columns import instant, metadata, one_of, required

rule_set_life = Table(
    "rule_set_life",
    metadata,
    Column(
        "version",
        Integer,
        ForeignKey("rule_set.version"),
        primary_key=True,
        autoincrement=False,
    ),
    required("status", "DRAFT"),
    required("author"),
    Column("proposed_by", Text),
    instant("proposed_at", nullable=True),
    Column("decided_by", Text),
    instant("decided_at", nullable=True),
    one_of("status", "DRAFT", "PROPOSED", "APPROVED", "REJECTED"),
    CheckConstraint(
        "decided_by NOT IN (author, proposed_by) OR status <> 'APPROVED'", name="four_eyes"
    ),
)

rule_set_default = Table(
    "rule_set_default",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False, server_default=text("1")),
    Column("rule_set_version", Integer, nullable=False, server_default=text("1")),
    Column("next_rule_set_version", Integer),
    instant("next_rule_set_at", nullable=True),
    CheckConstraint("one = 1", name="one"),
    CheckConstraint(
        "num_nonnulls(next_rule_set_version, next_rule_set_at) IN (0, 2)", name="next_rule_set"
    ),
    comment="what segments without a rule set of their own are judged by",
)

rule_set_event = Table(
    "rule_set_event",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Integer, ForeignKey("rule_set.version"), nullable=False),
    required("action"),
    required("client"),
    Column("actor", Text),
    Column("note", Text),
    instant("at"),
    one_of("action", "DRAFT", "PROPOSE", "APPROVE", "REJECT", "ACTIVATE", "FOLLOW"),
    Index("rule_set_event_version_idx", "version", "event_id"),
)

rule_set_activation = Table(
    "rule_set_activation",
    metadata,
    Column("activation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Integer, ForeignKey("rule_set.version"), nullable=False),
    Column(
        "segment_id",
        Text,
        ForeignKey("segment.segment_id"),
        comment="null: the default for all segments",
    ),
    instant("effective_at"),
    required("client"),
    Column("actor", Text),
    instant("at"),
    Column(
        "follows",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="true: the segment follows the default again",
    ),
    CheckConstraint("effective_at >= at", name="effective_at"),
    CheckConstraint("NOT follows OR segment_id IS NOT NULL", name="follows"),
    Index("rule_set_activation_effective_at_idx", "effective_at"),
)

rule_snooze = Table(
    "rule_snooze",
    metadata,
    Column("snooze_id", UUID(as_uuid=False), primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id"), nullable=False),
    Column("segment_id", Text, ForeignKey("segment.segment_id"), nullable=False),
    required("rule_id"),
    required("reason"),
    required("client"),
    Column("actor", Text),
    instant("created_at"),
    instant("expires_at"),
    Column("ended_by", Text),
    instant("ended_at", nullable=True),
    CheckConstraint("expires_at > created_at", name="expires_at"),
    CheckConstraint("num_nonnulls(ended_by, ended_at) IN (0, 2)", name="ended"),
    Index("rule_snooze_customer_id_segment_id_idx", "customer_id", "segment_id"),
)
