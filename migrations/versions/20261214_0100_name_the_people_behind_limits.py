"""Keep with a limit or cover the people that clients assert stood behind its proposal and its end.

Why: `Aval-Actor` was thrown away there: of a limit that a desk's program approved for somebody,
    nobody could tell for whom.
Locks: ACCESS EXCLUSIVE on `credit_limit` to the end of the migration, and so before any on
    `account`, in the order of who proposes a limit; no row is written.
Deploy: any time; older programs leave the columns empty.
Undo: what was asserted meanwhile is lost.
"""

from alembic import op

revision = "20261214_0100"
down_revision = "20261213_0100"
breaks_older = False  # older programs name every column that they write

NAMES = ("proposed_actor", "decided_actor", "end_proposed_actor", "ended_actor")


def upgrade() -> None:
    """Add the columns; of what is there nobody knows any more."""
    added = ", ".join(f"ADD COLUMN {name} text" for name in NAMES)
    op.execute(f"ALTER TABLE credit_limit {added}")


def downgrade() -> None:
    """Take them away."""
    dropped = ", ".join(f"DROP COLUMN {name}" for name in NAMES)
    op.execute(f"ALTER TABLE credit_limit {dropped}")
