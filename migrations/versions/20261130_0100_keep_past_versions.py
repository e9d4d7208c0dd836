"""Keep what documents said before their newest version, and since when each version is known.

Why: as of a day, a feature is to know what was known by then. A document holds its newest version
    only: a payment taken back, a bill dishonoured, an invoice or credit corrected today changed the
    features of every day before.
Locks: ACCESS EXCLUSIVE on `invoice`, `payment`, `note` and `credit` for moments: a column without a
    default rewrites nothing.
Deploy: before the code that writes it; older code goes on. What older code replaces meanwhile keeps
    the moment of the version before. Nothing is filled in for what was told before: its moment is
    null, and its newest version counts at any day, as it did.
Undo: drops both tables and the columns. What was told of past versions is lost; the reports stay.
"""

from alembic import op

revision = "20261130_0100"
down_revision = "20261129_0100"

UP = """
ALTER TABLE invoice ADD COLUMN told_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE payment ADD COLUMN told_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE note ADD COLUMN told_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE credit ADD COLUMN told_at TIMESTAMP WITH TIME ZONE;
"""

COMMENT = "since when this version is known; null: ever since, as far as anybody knows"

TABLES = """
CREATE TABLE past_version (
    segment_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    body JSONB NOT NULL,
    CONSTRAINT past_version_pkey PRIMARY KEY (segment_id, kind, document_id, version),
    CONSTRAINT past_version_kind_check
        CHECK (kind IN ('invoice', 'payment', 'note', 'credit_note', 'write_off'))
);
COMMENT ON TABLE past_version IS
    'versions of documents that are not their newest, however often they said the same';
COMMENT ON COLUMN past_version.account_id IS 'the payer then; of evidence';
COMMENT ON COLUMN past_version.body IS 'what features look at, in minor units';
CREATE TABLE retold (
    segment_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    document_id TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    CONSTRAINT retold_pkey PRIMARY KEY (segment_id, invoice_id, kind, document_id, account_id)
);
COMMENT ON TABLE retold IS
    'invoices that a document reaches of which something else was told before';
COMMENT ON COLUMN retold.account_id IS 'of an invoice, one that it was with; of others 0';
CREATE INDEX retold_account_id_idx ON retold (account_id) WHERE account_id > 0;
"""

DOWN = """
DROP TABLE retold;
DROP TABLE past_version;
ALTER TABLE credit DROP COLUMN told_at;
ALTER TABLE note DROP COLUMN told_at;
ALTER TABLE payment DROP COLUMN told_at;
ALTER TABLE invoice DROP COLUMN told_at;
"""


def upgrade() -> None:
    """Add columns and tables."""
    op.execute(UP)
    for table in ("invoice", "payment", "note", "credit"):
        op.execute(f"COMMENT ON COLUMN {table}.told_at IS '{COMMENT}'")
    op.execute(TABLES)


def downgrade() -> None:
    """Take them away."""
    op.execute(DOWN)
