"""Who may release what: roles and their matrix, subjects, delegations, policies, proposals."""

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from app.store.schema.columns import instant, metadata, minor, one_of, required

authority_role = Table(
    "authority_role",
    metadata,
    Column("role", Text, primary_key=True),
    required("name_zh"),
    required("name_en"),
    Column(
        "grants",
        JSONB,
        nullable=False,
        comment="rows of the matrix: segment, risk_class, and the amount in minor units or null",
    ),
    instant("updated_at"),
    required("updated_by"),
)

authority_subject = Table(
    "authority_subject",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("role", Text, ForeignKey("authority_role.role"), nullable=False),
    instant("updated_at"),
    required("updated_by"),
)

authority_delegation = Table(
    "authority_delegation",
    metadata,
    Column("delegation_id", Text, primary_key=True),
    required("from_subject"),
    Column("to_subject", Text, nullable=False, index=True),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("note", Text),
    instant("updated_at"),
    required("updated_by"),
    CheckConstraint("valid_to >= valid_from", name="dates"),
    CheckConstraint("from_subject <> to_subject", name="subjects"),
)

authority_policy = Table(
    "authority_policy",
    metadata,
    Column("segment_id", Text, ForeignKey("segment.segment_id"), primary_key=True),
    Column(
        "two_above_minor",
        BigInteger,
        comment="a release of more needs two persons; null: none does",
    ),
    Column("currency", Text),
    Column("escalation", JSONB, nullable=False),
    instant("updated_at"),
    required("updated_by"),
    CheckConstraint(
        "two_above_minor >= 0 AND (two_above_minor IS NULL) = (currency IS NULL)",
        name="two_above",
    ),
)

authority_change = Table(
    "authority_change",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    required("what"),
    required("name"),
    Column("data", JSONB, comment="as it was put; null: it was taken away"),
    required("client"),
    Column("actor", Text),
    instant("at"),
    one_of("what", "ROLE", "SUBJECT", "DELEGATION", "SEGMENT"),
)

release_proposal = Table(
    "release_proposal",
    metadata,
    Column("proposal_id", UUID(as_uuid=False), primary_key=True),
    Column("hold_id", UUID(as_uuid=False), ForeignKey("order_hold.hold_id"), nullable=False),
    required("status", "PROPOSED"),
    minor("max_minor"),
    required("currency"),
    instant("valid_until", nullable=True),
    required("reason_code"),
    Column("note", Text),
    required("proposed_by"),
    Column("proposed_actor", Text),
    instant("proposed_at"),
    Column("decided_by", Text),
    Column("decided_actor", Text),
    instant("decided_at", nullable=True),
    Column("asked", JSONB, comment="payer, amount, version and terms the order was held for"),
    one_of("status", "PROPOSED", "APPROVED", "DECLINED"),
    CheckConstraint(
        "(status = 'PROPOSED') = (decided_by IS NULL) AND (decided_by IS NULL) ="
        " (decided_at IS NULL)",
        name="decided",
    ),
    CheckConstraint("status <> 'APPROVED' OR decided_by <> proposed_by", name="eyes"),
    Index("release_proposal_hold_id_idx", "hold_id", "proposed_at"),
    Index(
        "release_proposal_open_key",
        "hold_id",
        unique=True,
        postgresql_where=text("status = 'PROPOSED'"),
    ),
)
