"""Keep a change document of each change of a segment, a customer, an account's terms, each rate.

Why: who let a segment only warn, or moved a customer into another group, was kept nowhere.
Locks: SHARE ROW EXCLUSIVE on `customer` and `segment`, which the foreign keys name, to the end of
    the migration, which writes no row of theirs.
Deploy: any time; what older programs change meanwhile leaves no document.
Undo: the documents are lost.
"""

from alembic import op

revision = "20261215_0100"
down_revision = "20261214_0200"
breaks_older = False  # they neither read nor write it


def upgrade() -> None:
    """Make the table; of what was changed before nobody knows any more."""
    op.execute("""
        CREATE TABLE master_change (
            change_id BIGINT GENERATED ALWAYS AS IDENTITY,
            changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            kind TEXT NOT NULL,
            customer_id TEXT,
            segment_id TEXT,
            client TEXT NOT NULL,
            actor TEXT,
            before JSONB NOT NULL,
            after JSONB NOT NULL,
            CONSTRAINT master_change_pkey PRIMARY KEY (change_id),
            CONSTRAINT master_change_kind_check
                CHECK (kind IN ('SEGMENT', 'CUSTOMER', 'ACCOUNT', 'FX_RATE')),
            CONSTRAINT master_change_customer_id_fkey
                FOREIGN KEY (customer_id) REFERENCES customer (customer_id),
            CONSTRAINT master_change_segment_id_fkey
                FOREIGN KEY (segment_id) REFERENCES segment (segment_id)
        );
        COMMENT ON COLUMN master_change.before
            IS 'the fields that differ; none of what is new';
        COMMENT ON COLUMN master_change.after IS 'the same fields';
        CREATE INDEX master_change_kind_change_id_idx ON master_change (kind, change_id);
        CREATE INDEX master_change_customer_id_change_id_idx
            ON master_change (customer_id, change_id) WHERE customer_id IS NOT NULL;
        CREATE INDEX master_change_segment_id_change_id_idx
            ON master_change (segment_id, change_id) WHERE segment_id IS NOT NULL;
        CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON master_change
            FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
        CREATE TRIGGER no_truncate BEFORE TRUNCATE ON master_change
            FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP TABLE master_change")
