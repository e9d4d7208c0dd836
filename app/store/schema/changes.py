"""Change documents of master data, only ever added."""

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.store.schema.columns import instant, metadata, one_of, required

master_change = Table(
    "master_change",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    instant("changed_at", now=True),
    required("kind"),
    Column("customer_id", Text, ForeignKey("customer.customer_id")),
    Column("segment_id", Text, ForeignKey("segment.segment_id")),
    required("client"),
    Column("actor", Text),
    Column("before", JSONB, nullable=False, comment="the fields that differ; none of what is new"),
    Column("after", JSONB, nullable=False, comment="the same fields"),
    one_of("kind", "SEGMENT", "CUSTOMER", "ACCOUNT", "FX_RATE"),
    Index("master_change_kind_change_id_idx", "kind", "change_id"),
    Index(
        "master_change_customer_id_change_id_idx",
        "customer_id",
        "change_id",
        postgresql_where=text("customer_id IS NOT NULL"),
    ),
    Index(
        "master_change_segment_id_change_id_idx",
        "segment_id",
        "change_id",
        postgresql_where=text("segment_id IS NOT NULL"),
    ),
)
