"""Let a customer's most urgent row among those whose score is due be found without the others.

Why: a report asks whether its customers are due, and one who was scored a moment ago is so only by
    an urgent row; all rows of such a customer were read for it, as many as reports came meanwhile.
Locks: SHARE on the list while the index is made, then ACCESS EXCLUSIVE for a moment: reports wait,
    and who scores. The list is short where scores are worked off.
Deploy: before the code, which starts on this revision only; the old code runs on with it.
"""

from alembic import op

revision = "20261205_0100"
down_revision = "20261204_0100"


def upgrade() -> None:
    """Put the rank behind the customer, in a form that no other index has."""
    op.execute("CREATE INDEX score_due_customer_id_rank_idx ON score_due (customer_id, (rank + 0))")
    op.execute("DROP INDEX score_due_customer_id_idx")


def downgrade() -> None:
    """Leave the customer alone in the index."""
    op.execute("CREATE INDEX score_due_customer_id_idx ON score_due (customer_id)")
    op.execute("DROP INDEX score_due_customer_id_rank_idx")
