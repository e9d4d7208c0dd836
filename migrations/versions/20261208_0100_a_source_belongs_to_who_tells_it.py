"""Let the names of snapshots be their client's own.

Why: who used another client's `source`, with a moment ahead or with the ids of its next
    snapshots, kept it from telling its own.
Locks: SHARE on `reconciliation` while two indexes are built (a row for each snapshot ever told),
    then ACCESS EXCLUSIVE for a moment.
Deploy: before the code, which starts on this revision only. The old code runs on with it; should
    two clients tell it of one source and id, the later one is answered as busy.
"""

from alembic import op

revision = "20261208_0100"
down_revision = "20261207_0300"

OWN = """
CREATE INDEX reconciliation_newest_idx ON reconciliation (client, source, as_of);
ALTER TABLE reconciliation
    ADD CONSTRAINT reconciliation_client_source_snapshot_id_key
        UNIQUE (client, source, snapshot_id),
    DROP CONSTRAINT reconciliation_source_snapshot_id_key;
COMMENT ON TABLE reconciliation_feed IS
    'snapshots that name one source queue here, whoever tells them';
"""


def upgrade() -> None:
    """Add the client to the names."""
    op.execute(OWN)


def downgrade() -> None:
    """Let the names be everybody's again; of two clients' with one name the later is renamed."""
    op.execute("""
        UPDATE reconciliation r SET snapshot_id = snapshot_id || ' (' || reconciliation_id || ')'
        WHERE EXISTS (SELECT FROM reconciliation e WHERE e.source = r.source
            AND e.snapshot_id = r.snapshot_id AND e.reconciliation_id < r.reconciliation_id);
        UPDATE reconciliation_feed f SET as_of = n.as_of
        FROM (SELECT source, max(as_of) AS as_of FROM reconciliation GROUP BY source) n
        WHERE n.source = f.source;
        ALTER TABLE reconciliation
            ADD CONSTRAINT reconciliation_source_snapshot_id_key UNIQUE (source, snapshot_id),
            DROP CONSTRAINT reconciliation_client_source_snapshot_id_key;
        DROP INDEX reconciliation_newest_idx;
        COMMENT ON TABLE reconciliation_feed IS
            'the moment of the newest snapshot of each source; snapshots of one queue here';
    """)
