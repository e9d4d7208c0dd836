"""Let a segment with a rule set of its own be judged by the default again, and keep who did it.

Why: that a segment follows the default from a moment on is evidence as an activation is; the row
    that says so names the version that then came into force.
Locks: ACCESS EXCLUSIVE on `rule_set_event` and `rule_set_activation` for moments (the default is a
    constant; the check reads some hundred rows).
Deploy: before the code that writes it; older code goes on.
Undo: refused by the check while an event says FOLLOW, as evidence is not thrown away.
"""

from alembic import op

revision = "20261128_0100"
down_revision = "20261127_0700"

UP = """
ALTER TABLE rule_set_activation ADD COLUMN follows BOOLEAN DEFAULT false NOT NULL;
COMMENT ON COLUMN rule_set_activation.follows IS 'true: the segment follows the default again';
ALTER TABLE rule_set_activation ADD CONSTRAINT rule_set_activation_follows_check
    CHECK (NOT follows OR segment_id IS NOT NULL);
ALTER TABLE rule_set_event DROP CONSTRAINT rule_set_event_action_check;
ALTER TABLE rule_set_event ADD CONSTRAINT rule_set_event_action_check
    CHECK (action IN ('DRAFT', 'PROPOSE', 'APPROVE', 'REJECT', 'ACTIVATE', 'FOLLOW'));
"""

DOWN = """
ALTER TABLE rule_set_event DROP CONSTRAINT rule_set_event_action_check;
ALTER TABLE rule_set_event ADD CONSTRAINT rule_set_event_action_check
    CHECK (action IN ('DRAFT', 'PROPOSE', 'APPROVE', 'REJECT', 'ACTIVATE'));
ALTER TABLE rule_set_activation DROP COLUMN follows;
"""


def upgrade() -> None:
    """Add the column and the action."""
    op.execute(UP)


def downgrade() -> None:
    """Take them away."""
    op.execute(DOWN)
