"""Say of an authorization that another replaced whether it had run out before.

Why: one that had expired was told as released by whoever asked for another payer's later.
Locks: ACCESS EXCLUSIVE on `past_authorization` for a moment; no row is written.
Deploy: any time; older programs leave the column empty, which is read as released.
Undo: no loss but of the column; those that had expired are told as released again.
"""

from alembic import op

revision = "20261212_0100"
down_revision = "20261211_0100"
breaks_older = False  # older programs name no column of it that they do not know


def upgrade() -> None:
    """Add the column; of what is there nobody knows any more."""
    op.execute("""
        ALTER TABLE past_authorization ADD COLUMN state text
            CONSTRAINT past_authorization_state_check CHECK (state IN ('RELEASED', 'EXPIRED'));
        COMMENT ON COLUMN past_authorization.state
            IS 'RELEASED or EXPIRED; null: released, as far as is known';
    """)


def downgrade() -> None:
    """Take the column away."""
    op.execute("ALTER TABLE past_authorization DROP COLUMN state")
