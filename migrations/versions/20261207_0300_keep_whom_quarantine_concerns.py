"""Keep of a fact in quarantine which accounts it concerns besides its customer's.

Why: a payment that is taken back, or a bill that bounces, and waits for a rate or a customer opens
    invoices of whoever owes them; only the event's customer was known to be incomplete.
Locks: ACCESS EXCLUSIVE on `quarantine` for a moment; nothing is rewritten.
Deploy: before the code, which starts on this revision only. The old code runs on with it; what it
    closes meanwhile of what the new code opened stays counted on those accounts
    (`aval check-ledger` names them). What waits already counts on its customer alone.
"""

from alembic import op

revision = "20261207_0300"
down_revision = "20261207_0200"

ADD = """
ALTER TABLE quarantine ADD COLUMN concerns BIGINT[] DEFAULT '{}' NOT NULL;
COMMENT ON COLUMN quarantine.concerns IS
    'accounts besides its own whose figures it would have changed';
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(ADD)


def downgrade() -> None:
    """Drop it; what waits counts on its customer alone."""
    op.execute("""
        UPDATE account a SET quarantined = (SELECT count(*) FROM quarantine q
            WHERE q.status = 'OPEN' AND q.account_id = a.account_id)
        WHERE quarantined > 0
    """)
    op.execute("ALTER TABLE quarantine DROP COLUMN concerns")
