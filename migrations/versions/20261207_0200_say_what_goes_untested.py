"""Say of `credit_order.untested` what it says by now.

Why: facts set it too, not only the day on which an order begins to count.
Locks: SHARE UPDATE EXCLUSIVE on `credit_order` for a moment: nobody waits for it.
Deploy: before the code, which starts on this revision only; the old code runs on with it.
"""

from alembic import op

revision = "20261207_0200"
down_revision = "20261207_0100"

AFTER = "not all of it was held to the limits: the next ask tests it"
BEFORE = "began to count by itself: no ask has held it to a limit yet"


def upgrade() -> None:
    """Change the comment."""
    op.execute(f"COMMENT ON COLUMN credit_order.untested IS '{AFTER}'")


def downgrade() -> None:
    """Change it back."""
    op.execute(f"COMMENT ON COLUMN credit_order.untested IS '{BEFORE}'")
