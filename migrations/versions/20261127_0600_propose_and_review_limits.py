"""Let ends be proposed, limits be recommended and reviewed; a cover beside a limit of 0 is none.

Why: an end that raises a limit needs four eyes like a limit; what a limit was recommended by is
    kept with it; the parameters of that are data with versions. A limit of 0 grants no credit,
    and no cover changes that: accounts where one did are put right, with a journal entry.
Locks: ACCESS EXCLUSIVE on `credit_limit` and `customer` for a moment (no scan, no rewrite); row
    locks on the accounts that are put right, until the end.
Deploy: before the code that writes them; after it no cover beside a limit of 0 may be approved.
Undo: forgets policies, reviews and proposed ends; entries of the journal stay.
"""

from alembic import op

revision = "20261127_0600"
down_revision = "20261127_0510"

UP = """
ALTER TABLE credit_limit
    ADD COLUMN end_proposed_by TEXT,
    ADD COLUMN end_proposed_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN origin TEXT DEFAULT 'MANUAL' NOT NULL,
    ADD COLUMN evidence JSONB,
    ADD CONSTRAINT credit_limit_origin_check CHECK (origin IN ('MANUAL', 'DYNAMIC')),
    ADD CONSTRAINT credit_limit_end_proposed_check CHECK
        ((end_proposed_by IS NULL) = (end_proposed_at IS NULL));
COMMENT ON COLUMN credit_limit.evidence IS 'how a DYNAMIC one was worked out';
CREATE INDEX credit_limit_valid_to_idx ON credit_limit (valid_to, limit_id)
    WHERE status = 'APPROVED' AND valid_to IS NOT NULL;

ALTER TABLE customer
    ADD COLUMN size TEXT,
    ADD CONSTRAINT customer_size_check CHECK (size IN ('LARGE', 'MEDIUM', 'SMALL', 'MICRO'));
COMMENT ON COLUMN customer.size IS
    'by the number of people and turnover, as the state divides';

CREATE TABLE limit_policy (
    segment_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    data JSONB NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT limit_policy_pkey PRIMARY KEY (segment_id, version),
    CONSTRAINT limit_policy_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment (segment_id)
);
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON limit_policy
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON limit_policy
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();

CREATE TABLE limit_review (
    review_id UUID NOT NULL,
    account_id BIGINT NOT NULL,
    reviewed_on DATE NOT NULL,
    note TEXT,
    client TEXT NOT NULL,
    actor TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT limit_review_pkey PRIMARY KEY (review_id),
    CONSTRAINT limit_review_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (account_id)
);
CREATE INDEX limit_review_account_id_idx ON limit_review (account_id);
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON limit_review
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON limit_review
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();

WITH approved AS (
    SELECT l.*, row_number() OVER (
            PARTITION BY l.account_id ORDER BY l.decided_at, l.created_at, l.limit_id) AS place,
        coalesce(a.limit_changes_on - 1, DATE '9999-12-31') AS day
    FROM credit_limit l JOIN account a ON a.account_id = l.account_id
    WHERE l.status = 'APPROVED' AND a.limit_minor > 0
),
best AS (
    SELECT DISTINCT ON (v.account_id) v.account_id, v.limit_minor
    FROM approved v
    WHERE v.valid_from <= v.day AND (v.valid_to IS NULL OR v.valid_to >= v.day)
        AND (v.kind = 'temporary' OR v.kind = 'base' AND NOT EXISTS (
            SELECT FROM approved o
            WHERE o.account_id = v.account_id AND o.kind = 'base' AND o.place > v.place
                AND o.valid_from BETWEEN v.valid_from AND v.day))
    ORDER BY v.account_id, v.kind = 'temporary' DESC, v.place DESC
),
cut AS (
    UPDATE account a SET limit_minor = 0, seq = a.seq + 1,
        forced_minor = greatest(0, a.authorized_minor + a.open_delivery_minor
            + a.open_item_minor + a.note_receivable_minor - a.prepayment_minor)
    FROM best b WHERE b.account_id = a.account_id AND b.limit_minor = 0
    RETURNING a.*
)
INSERT INTO journal (account_id, seq, kind, ref, at, authorized_minor, open_delivery_minor,
    open_item_minor, note_receivable_minor, prepayment_minor, limit_minor, unlimited, forced_minor,
    foreign_use)
SELECT account_id, seq, 'LIMIT_EFFECTIVE', current_date::text, now(), authorized_minor,
    open_delivery_minor, open_item_minor, note_receivable_minor, prepayment_minor, limit_minor,
    unlimited, forced_minor, foreign_use
FROM cut;
"""

DOWN = """
DROP TABLE limit_review;
DROP TABLE limit_policy;
ALTER TABLE customer DROP COLUMN size;
DROP INDEX credit_limit_valid_to_idx;
ALTER TABLE credit_limit
    DROP COLUMN end_proposed_by,
    DROP COLUMN end_proposed_at,
    DROP COLUMN origin,
    DROP COLUMN evidence;
"""


def upgrade() -> None:
    """Widen limits and customers, add policies and reviews, put covers beside 0 right."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
