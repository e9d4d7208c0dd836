"""Let PROVISIONAL money count until it expires, and a waiting fact be laid aside by hand.

Why: cash that is announced (a cheque, a transfer under way) may lift an order before it is booked,
    as far as the segment says. Each payment keeps the percentage it came under; that it lapsed is
    kept with it, for what it adds follows from what is stored. A fact that can never be applied
    (an id used twice by mistake) kept its account degraded for ever.
Locks: ACCESS EXCLUSIVE on `segment` for a moment, on `payment` while PROVISIONAL rows are found
    and the checks and the index look through it once, on `quarantine` while its check does; run
    it before traffic.
Deploy: before the code that writes the columns. Rows that are there counted nothing, and go on so.
Undo: drops what was added; PROVISIONAL payments that count must be gone first, or counters differ
    from documents; and so must rows of the quarantine that were closed by hand.
"""

from alembic import op

revision = "20261126_0710"
down_revision = "20261126_0700"

UP = """
ALTER TABLE segment ADD COLUMN provisional_haircut_percent INTEGER DEFAULT 100 NOT NULL
    CONSTRAINT segment_provisional_haircut_percent_check
    CHECK (provisional_haircut_percent BETWEEN 0 AND 100);
ALTER TABLE payment ADD COLUMN haircut_percent INTEGER, ADD COLUMN lapsed_at TIMESTAMPTZ;
COMMENT ON COLUMN payment.haircut_percent IS 'in force when a PROVISIONAL version was applied';
UPDATE payment SET haircut_percent = 100 WHERE status = 'PROVISIONAL';
ALTER TABLE payment ADD CONSTRAINT payment_provisional_check CHECK (
    (status = 'PROVISIONAL') = (haircut_percent IS NOT NULL)
    AND haircut_percent BETWEEN 0 AND 100
    AND (lapsed_at IS NULL OR status = 'PROVISIONAL' AND expires_at <= lapsed_at));
CREATE INDEX payment_expires_at_idx ON payment (expires_at)
    WHERE status = 'PROVISIONAL' AND lapsed_at IS NULL AND expires_at IS NOT NULL;
ALTER TABLE quarantine ADD COLUMN closed_by TEXT, ADD COLUMN close_reason TEXT;
COMMENT ON COLUMN quarantine.closed_by IS 'who closed it by hand';
ALTER TABLE quarantine DROP CONSTRAINT quarantine_status_check;
ALTER TABLE quarantine ADD CONSTRAINT quarantine_status_check
    CHECK (status IN ('OPEN', 'APPLIED', 'SUPERSEDED', 'CLOSED'));
"""

DOWN = """
ALTER TABLE quarantine DROP CONSTRAINT quarantine_status_check;
ALTER TABLE quarantine ADD CONSTRAINT quarantine_status_check
    CHECK (status IN ('OPEN', 'APPLIED', 'SUPERSEDED'));
ALTER TABLE quarantine DROP COLUMN close_reason, DROP COLUMN closed_by;
DROP INDEX payment_expires_at_idx;
ALTER TABLE payment DROP CONSTRAINT payment_provisional_check;
ALTER TABLE payment DROP COLUMN lapsed_at, DROP COLUMN haircut_percent;
ALTER TABLE segment DROP COLUMN provisional_haircut_percent;
"""


def upgrade() -> None:
    """Add the columns, their checks and the index."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
