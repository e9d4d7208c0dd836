"""Models: their versions, who stands where and why, and which bytes were found sound."""

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from app.store.schema.columns import instant, metadata, one_of, required

model = Table(
    "model",
    metadata,
    Column("name", Text, primary_key=True),
    Column("newest", Integer, nullable=False, comment="the last version number given"),
    comment="one row a model; whoever moves its versions locks it",
)

model_version = Table(
    "model_version",
    metadata,
    Column("name", Text, ForeignKey("model.name"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    required("state", "CANDIDATE"),
    Column("manifest", JSONB, nullable=False),
    Column("manifest_sha256", BYTEA, nullable=False, comment="of the signed bytes"),
    Column("content", BYTEA, nullable=False, comment="sha256 of the manifest as version 0"),
    required("signed_by"),
    required("client"),
    Column("actor", Text),
    instant("registered_at"),
    Column("fault", JSONB, comment="why it cannot be loaded: check, detail, at"),
    one_of("state", "CANDIDATE", "SHADOW", "CHAMPION", "RETIRED"),
    Index("model_version_content_key", "name", "content", unique=True),
    Index(
        "model_version_champion_key",
        "name",
        unique=True,
        postgresql_where=text("state = 'CHAMPION'"),
    ),
    Index(
        "model_version_shadow_key",
        "name",
        unique=True,
        postgresql_where=text("state = 'SHADOW'"),
    ),
)

model_promotion = Table(
    "model_promotion",
    metadata,
    Column("promotion_id", UUID(as_uuid=False), primary_key=True),
    required("name"),
    Column("version", Integer, nullable=False),
    required("move"),
    required("status"),
    required("reason"),
    Column("replaced", Integer),
    required("proposed_by"),
    Column("proposed_actor", Text),
    instant("proposed_at"),
    Column("decided_by", Text),
    Column("decided_actor", Text),
    instant("decided_at", nullable=True),
    ForeignKeyConstraint(["name", "version"], ["model_version.name", "model_version.version"]),
    one_of("move", "SHADOW", "PROMOTE", "ROLLBACK", "RETIRE"),
    one_of("status", "PROPOSED", "APPLIED", "REJECTED"),
    Index("model_promotion_name_promotion_id_idx", "name", "promotion_id"),
    Index(
        "model_promotion_open_key",
        "name",
        unique=True,
        postgresql_where=text("status = 'PROPOSED'"),
    ),
)

model_check = Table(
    "model_check",
    metadata,
    Column("manifest_sha256", BYTEA, primary_key=True),
    Column("checked_with", Text, primary_key=True, comment="rules and version of LightGBM"),
    instant("checked_at", now=True),
    comment="manifests whose model passed structure and trial; never a reason to skip a signature",
)
