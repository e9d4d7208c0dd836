"""Let the reports of a dispute be found by their invoice.

Why: as of a day, a feature is to know the disputes reported by then. `dispute` holds the newest
    version only, whose day is that of its end where it was closed; the reports are all kept as
    evidence. An index over those of disputes alone is as small as disputes are few.
Locks: SHARE on `ledger_event` while it is read once: facts wait, some seconds a million events.
Deploy: before the code that looks them up; older code goes on.
Undo: drops the index.
"""

from alembic import op

revision = "20261129_0100"
down_revision = "20261128_0100"


def upgrade() -> None:
    """Make the index."""
    op.execute(
        "CREATE INDEX ledger_event_dispute_idx ON ledger_event ((payload ->> 'invoice_id'))"
        " WHERE type = 'dispute'"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX ledger_event_dispute_idx")
