"""Let order holds be judged again when what they rest on has moved, and escalated when they wait.

Why: a hold remembers on what ground it was judged last; one whose ground is another now is found
    by comparing both, over the open automatic ones alone (a partial index). Null is "not yet".
    `auto_release` false: a row of the policy wants a person. Escalations are counted on the hold
    and told in its history.
Locks: ACCESS EXCLUSIVE on `order_hold` for the columns, which are all nullable (no rewrite); SHARE
    while the indexes are built, over open holds only.
Deploy: before the code that writes them; older code goes on without them.
Undo: drops the columns; every open hold is judged once more afterwards, which changes nothing.
"""

from alembic import op

revision = "20261127_0500"
down_revision = "20261127_0410"

UP = """
ALTER TABLE order_hold
    ADD COLUMN auto_release BOOLEAN,
    ADD COLUMN judged_on TEXT,
    ADD COLUMN escalation_level INTEGER,
    ADD COLUMN escalated_to TEXT,
    ADD COLUMN escalated_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT order_hold_escalation_check CHECK (num_nonnulls(escalation_level, escalated_to,
        escalated_at) IN (0, 3) AND escalation_level > 0);
CREATE INDEX order_hold_automatic_idx ON order_hold (opened_at, hold_id)
    WHERE status = 'OPEN' AND kind = 'AUTOMATIC';
CREATE INDEX order_hold_escalation_idx ON order_hold (opened_at, hold_id)
    WHERE status = 'OPEN' AND kind <> 'STOP';
COMMENT ON COLUMN order_hold.auto_release IS 'false: the policy wants a person to release it';
COMMENT ON COLUMN order_hold.judged_on IS 'digest of what the last judgement rested on';
"""

DOWN = """
DROP INDEX order_hold_escalation_idx;
DROP INDEX order_hold_automatic_idx;
ALTER TABLE order_hold
    DROP CONSTRAINT order_hold_escalation_check,
    DROP COLUMN escalated_at,
    DROP COLUMN escalated_to,
    DROP COLUMN escalation_level,
    DROP COLUMN judged_on,
    DROP COLUMN auto_release;
"""


def upgrade() -> None:
    """Add columns and indexes."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
