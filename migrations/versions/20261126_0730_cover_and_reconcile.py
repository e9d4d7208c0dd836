"""Cover limits, find what makes up a figure, and reconcile it with the ERP's.

Why: a cover is a row of `credit_limit` whose contribution the database itself holds to its terms.
    Drill-down and nightly snapshots sum what is open on an account, which small partial indexes
    find whatever an account has behind it. An adjustment is evidence; only its account changes,
    when two records of one payer are merged.
Locks: ACCESS EXCLUSIVE on `credit_limit` and `journal` while they are scanned; SHARE on
    `order_use`, `invoice`, `payment` and `credit` while an index is built. Run it before traffic.
Deploy: before the code that writes them.
Undo: needs covers and journal entries of adjustments to be gone.
"""

from alembic import op

revision = "20261126_0730"
down_revision = "20261126_0720"

UP = """
ALTER TABLE credit_limit
    ADD COLUMN cover_kind TEXT,
    ADD COLUMN percentage NUMERIC(5, 2),
    ADD COLUMN cap_minor BIGINT,
    ADD COLUMN reference TEXT,
    DROP CONSTRAINT credit_limit_kind_check,
    ADD CONSTRAINT credit_limit_kind_check CHECK (kind IN ('base', 'temporary', 'cover')),
    ADD CONSTRAINT credit_limit_cover_kind_check CHECK (cover_kind IN ('INSURANCE', 'GUARANTEE',
        'DEPOSIT')),
    ADD CONSTRAINT credit_limit_cover_check CHECK (CASE kind WHEN 'cover' THEN
        cover_kind IS NOT NULL AND NOT unlimited AND percentage > 0 AND percentage <= 100
        AND cap_minor > 0
        AND limit_minor IS NOT DISTINCT FROM floor(cap_minor * percentage / 100)
        ELSE num_nonnulls(cover_kind, percentage, cap_minor, reference) = 0 END);

ALTER TABLE journal DROP CONSTRAINT journal_kind_check;
ALTER TABLE journal ADD CONSTRAINT journal_kind_check
    CHECK (kind IN ('AUTHORIZE', 'TOLERANCE', 'RELEASE', 'FREE', 'FACT', 'LIMIT',
        'LIMIT_EFFECTIVE', 'FX_REVALUATION', 'REGROUP', 'MERGE', 'CURRENCY',
        'ADJUSTMENT'));

CREATE INDEX order_use_open_idx ON order_use (account_id, order_id)
    WHERE delivered_minor > invoiced_minor;
CREATE INDEX invoice_excess_idx ON invoice (account_id, invoice_id) WHERE excess_minor > 0;
CREATE INDEX payment_open_idx ON payment (account_id, payment_id)
    WHERE prepayment_minor > 0 OR note_receivable_minor > 0;
CREATE INDEX credit_open_idx ON credit (account_id, credit_id) WHERE prepayment_minor > 0;

CREATE TABLE reconciliation (
    reconciliation_id UUID NOT NULL,
    source TEXT NOT NULL,
    snapshot_id TEXT NOT NULL,
    content BYTEA NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    compared_at TIMESTAMP WITH TIME ZONE NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    matched INTEGER NOT NULL,
    drifted INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    results JSON NOT NULL,
    CONSTRAINT reconciliation_pkey PRIMARY KEY (reconciliation_id),
    CONSTRAINT reconciliation_source_snapshot_id_key UNIQUE (source, snapshot_id)
);

CREATE TABLE reconciliation_feed (
    source TEXT NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT reconciliation_feed_pkey PRIMARY KEY (source)
);
COMMENT ON TABLE reconciliation_feed IS
    'the moment of the newest snapshot of each source; snapshots of one queue here';

CREATE TABLE drift (
    drift_id UUID NOT NULL,
    reconciliation_id UUID NOT NULL,
    source TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    category TEXT NOT NULL,
    currency TEXT NOT NULL,
    ours_minor BIGINT NOT NULL,
    theirs_minor BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    status TEXT DEFAULT 'OPEN' NOT NULL,
    compared_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT drift_pkey PRIMARY KEY (drift_id),
    CONSTRAINT drift_category_check CHECK (category IN ('AUTHORIZED', 'OPEN_DELIVERY', 'OPEN_ITEM',
        'NOTE_RECEIVABLE', 'PREPAYMENT')),
    CONSTRAINT drift_status_check CHECK (status IN ('OPEN', 'ADJUSTED', 'SUPERSEDED')),
    CONSTRAINT drift_differs_check CHECK (ours_minor <> theirs_minor),
    CONSTRAINT drift_reconciliation_id_fkey FOREIGN KEY(reconciliation_id) REFERENCES
        reconciliation (reconciliation_id),
    CONSTRAINT drift_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer (customer_id)
);
CREATE UNIQUE INDEX drift_open_key ON drift (customer_id, segment_id, category, currency, source)
    WHERE status = 'OPEN';
CREATE INDEX drift_open_idx ON drift (drift_id) WHERE status = 'OPEN';
COMMENT ON COLUMN drift.seq IS 'the account''s, when it was compared';
COMMENT ON TABLE drift IS
    'what differs; an open one is the newest comparison of its figure by its source';

CREATE TABLE adjustment (
    adjustment_id UUID NOT NULL,
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    reason TEXT NOT NULL,
    drift_id UUID,
    reverses UUID,
    client TEXT NOT NULL,
    actor TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT adjustment_pkey PRIMARY KEY (adjustment_id),
    CONSTRAINT adjustment_drift_id_key UNIQUE (drift_id),
    CONSTRAINT adjustment_kind_check CHECK (kind IN ('DRIFT', 'REVERSAL', 'GIVEN_WAY')),
    CONSTRAINT adjustment_category_check CHECK (category IN ('OPEN_DELIVERY', 'OPEN_ITEM',
        'NOTE_RECEIVABLE', 'PREPAYMENT')),
    CONSTRAINT adjustment_amount_check CHECK (amount_minor <> 0),
    CONSTRAINT adjustment_cause_check CHECK ((drift_id IS NOT NULL) = (kind = 'DRIFT')
        AND (reverses IS NULL) = (kind = 'DRIFT')),
    CONSTRAINT adjustment_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (account_id),
    CONSTRAINT adjustment_drift_id_fkey FOREIGN KEY(drift_id) REFERENCES drift (drift_id),
    CONSTRAINT adjustment_reverses_fkey FOREIGN KEY(reverses) REFERENCES adjustment
        (adjustment_id)
);
CREATE INDEX adjustment_account_id_idx ON adjustment (account_id);
CREATE INDEX adjustment_reverses_idx ON adjustment (reverses) WHERE reverses IS NOT NULL;
COMMENT ON TABLE adjustment IS
    'signed; a DRIFT stands until REVERSAL or GIVEN_WAY of it take it back';

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON reconciliation
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON reconciliation
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_change BEFORE UPDATE ON adjustment FOR EACH ROW
    WHEN (to_jsonb(OLD) - 'account_id' IS DISTINCT FROM to_jsonb(NEW) - 'account_id'
        OR OLD.account_id = NEW.account_id)
    EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_delete BEFORE DELETE ON adjustment
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON adjustment
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
"""

DOWN = """
DROP TABLE adjustment;
DROP TABLE drift;
DROP TABLE reconciliation_feed;
DROP TABLE reconciliation;
DROP INDEX credit_open_idx;
DROP INDEX payment_open_idx;
DROP INDEX invoice_excess_idx;
DROP INDEX order_use_open_idx;
ALTER TABLE journal DROP CONSTRAINT journal_kind_check;
ALTER TABLE journal ADD CONSTRAINT journal_kind_check
    CHECK (kind IN ('AUTHORIZE', 'TOLERANCE', 'RELEASE', 'FREE', 'FACT', 'LIMIT',
        'LIMIT_EFFECTIVE', 'FX_REVALUATION', 'REGROUP', 'MERGE', 'CURRENCY'));
ALTER TABLE credit_limit
    DROP CONSTRAINT credit_limit_cover_check,
    DROP CONSTRAINT credit_limit_cover_kind_check,
    DROP CONSTRAINT credit_limit_kind_check,
    ADD CONSTRAINT credit_limit_kind_check CHECK (kind IN ('base', 'temporary')),
    DROP COLUMN cover_kind,
    DROP COLUMN percentage,
    DROP COLUMN cap_minor,
    DROP COLUMN reference;
"""


def upgrade() -> None:
    """Widen limits and the journal, add tables and indexes."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
