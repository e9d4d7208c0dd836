"""Let an order count against its limit later, and find what is due.

Why: an order that ships beyond its segment's credit horizon is authorized and not yet counted
    (`counts_from`). What has expired, what begins to count and which accounts hold a foreign
    position is looked for every few seconds, so each has its index.
Locks: ACCESS EXCLUSIVE on `segment` and `credit_order`, SHARE on `account`; orders are scanned
    once for the constraint and twice for the indexes: run it before traffic.
Deploy: before the code that writes `counts_from`; older code leaves it null.
Undo: orders that do not count yet must be gone: the code before this one would never count them.
"""

from alembic import op

revision = "20261126_0720"
down_revision = "20261126_0710"

UP = """
ALTER TABLE segment ADD COLUMN credit_horizon_days INTEGER
    CONSTRAINT segment_credit_horizon_days_check CHECK (credit_horizon_days BETWEEN 0 AND 3650);
COMMENT ON COLUMN segment.credit_horizon_days IS 'orders that ship later do not count yet';
ALTER TABLE credit_order ADD COLUMN counts_from DATE;
COMMENT ON COLUMN credit_order.counts_from IS 'nothing is reserved before this business date';
ALTER TABLE credit_order ADD COLUMN untested BOOLEAN DEFAULT false NOT NULL;
COMMENT ON COLUMN credit_order.untested IS
    'began to count by itself: no ask has held it to a limit yet';
ALTER TABLE credit_order ADD CONSTRAINT credit_order_counts_from_check
    CHECK (counts_from IS NULL OR (state = 'LIVE' AND reserved_minor = 0));
CREATE INDEX credit_order_due_idx ON credit_order (expires_at)
    WHERE state = 'LIVE' AND (reserved_minor > 0 OR counts_from IS NOT NULL);
DROP INDEX credit_order_expires_at_idx;
CREATE INDEX credit_order_counts_from_idx ON credit_order (counts_from, segment_id, order_id)
    WHERE counts_from IS NOT NULL;
CREATE INDEX account_foreign_idx ON account (account_id)
    WHERE foreign_use IS NOT NULL;
"""

DOWN = """
ALTER TABLE credit_order ADD CONSTRAINT credit_order_all_count CHECK (counts_from IS NULL);
ALTER TABLE credit_order DROP CONSTRAINT credit_order_all_count;
DROP INDEX account_foreign_idx;
DROP INDEX credit_order_counts_from_idx;
CREATE INDEX credit_order_expires_at_idx ON credit_order (expires_at)
    WHERE state = 'LIVE' AND reserved_minor > 0;
DROP INDEX credit_order_due_idx;
ALTER TABLE credit_order DROP COLUMN counts_from, DROP COLUMN untested;
ALTER TABLE segment DROP COLUMN credit_horizon_days;
"""


def upgrade() -> None:
    """Add the columns and the indexes."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back; refused while an order does not count yet."""
    op.execute(DOWN)
