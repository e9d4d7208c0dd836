"""Let provisional money that counts and has expired be found without what counts nothing.

Why: every batch of questions looks for it, and found what counts 0 as well (the haircut is 100 %
    unless a segment says otherwise), which only the sweeper takes out: without one, ever more.
Locks: SHARE on `payment` while the index is made: who reports payments waits. It holds provisional
    payments only.
Deploy: before the code, which starts on this revision only; the old code runs on with it.
"""

from alembic import op

revision = "20261206_0100"
down_revision = "20261205_0100"

CREATE = """
CREATE INDEX payment_counts_until_idx ON payment (expires_at)
WHERE status = 'PROVISIONAL' AND lapsed_at IS NULL AND expires_at IS NOT NULL
    AND prepayment_minor > 0
"""


def upgrade() -> None:
    """Make the index."""
    op.execute(CREATE)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX payment_counts_until_idx")
