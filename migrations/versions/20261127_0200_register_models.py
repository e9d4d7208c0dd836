"""Keep versions of models, where they stand, and who moved them.

Why: a score names the version that gave it, so a version must be what it was. The database itself
    lets only its state and fault change, and lets one version of a model be champion.
Locks: none; the tables are new.
Deploy: before the code that reads them.
Undo: drops the registry; the packages in the model store stay.
"""

from alembic import op

revision = "20261127_0200"
down_revision = "20261127_0100"

UP = """
CREATE TABLE model (
    name TEXT NOT NULL,
    newest INTEGER NOT NULL,
    CONSTRAINT model_pkey PRIMARY KEY (name)
);
COMMENT ON COLUMN model.newest IS 'the last version number given';
COMMENT ON TABLE model IS 'one row a model; whoever moves its versions locks it';

CREATE TABLE model_version (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT DEFAULT 'CANDIDATE' NOT NULL,
    manifest JSONB NOT NULL,
    manifest_sha256 BYTEA NOT NULL,
    content BYTEA NOT NULL,
    signed_by TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    fault JSONB,
    CONSTRAINT model_version_pkey PRIMARY KEY (name, version),
    CONSTRAINT model_version_name_fkey FOREIGN KEY(name) REFERENCES model (name),
    CONSTRAINT model_version_state_check
        CHECK (state IN ('CANDIDATE', 'SHADOW', 'CHAMPION', 'RETIRED'))
);
CREATE UNIQUE INDEX model_version_content_key ON model_version (name, content);
CREATE UNIQUE INDEX model_version_champion_key ON model_version (name) WHERE state = 'CHAMPION';
CREATE UNIQUE INDEX model_version_shadow_key ON model_version (name) WHERE state = 'SHADOW';
COMMENT ON COLUMN model_version.manifest_sha256 IS 'of the signed bytes';
COMMENT ON COLUMN model_version.content IS 'sha256 of the manifest as version 0';
COMMENT ON COLUMN model_version.fault IS 'why it cannot be loaded: check, detail, at';

CREATE TABLE model_promotion (
    promotion_id UUID NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    move TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    replaced INTEGER,
    proposed_by TEXT NOT NULL,
    proposed_actor TEXT,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by TEXT,
    decided_actor TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT model_promotion_pkey PRIMARY KEY (promotion_id),
    CONSTRAINT model_promotion_name_version_fkey FOREIGN KEY(name, version)
        REFERENCES model_version (name, version),
    CONSTRAINT model_promotion_move_check
        CHECK (move IN ('SHADOW', 'PROMOTE', 'ROLLBACK', 'RETIRE')),
    CONSTRAINT model_promotion_status_check
        CHECK (status IN ('PROPOSED', 'APPLIED', 'REJECTED'))
);
CREATE INDEX model_promotion_name_promotion_id_idx ON model_promotion (name, promotion_id);
CREATE UNIQUE INDEX model_promotion_open_key ON model_promotion (name) WHERE status = 'PROPOSED';

CREATE TABLE model_check (
    manifest_sha256 BYTEA NOT NULL,
    checked_with TEXT NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT model_check_pkey PRIMARY KEY (manifest_sha256, checked_with)
);
COMMENT ON COLUMN model_check.checked_with IS 'rules and version of LightGBM';
COMMENT ON TABLE model_check IS
    'manifests whose model passed structure and trial; never a reason to skip a signature';

CREATE FUNCTION aval_keep_model_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' - 'fault' IS DISTINCT FROM to_jsonb(OLD) - 'state' - 'fault' THEN
        RAISE EXCEPTION 'a version of a model never changes, only its state and fault do'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER no_change BEFORE UPDATE ON model_version
    FOR EACH ROW EXECUTE FUNCTION aval_keep_model_version();

CREATE FUNCTION aval_keep_model_promotion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'PROPOSED' THEN
        RAISE EXCEPTION 'a promotion that was decided on is evidence, it never changes'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER no_change BEFORE UPDATE ON model_promotion
    FOR EACH ROW EXECUTE FUNCTION aval_keep_model_promotion();
"""

TABLES = ("model_version", "model_promotion")


def upgrade() -> None:
    """Make tables and triggers."""
    op.execute(UP)
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER no_delete BEFORE DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION aval_refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change()"
        )


def downgrade() -> None:
    """Drop all of it."""
    op.execute(
        "DROP TABLE model_check; DROP TABLE model_promotion; DROP TABLE model_version;"
        " DROP TABLE model; DROP FUNCTION aval_keep_model_version();"
        " DROP FUNCTION aval_keep_model_promotion()"
    )
