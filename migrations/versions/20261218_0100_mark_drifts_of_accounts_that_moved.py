"""Let a drift say whether documents moved its account since the snapshot's moment.

Why: what came between that moment and the comparison is in our figure and not in the ERP's. Such a
difference is counted apart from those that nothing explains.
Locks: ACCESS EXCLUSIVE on `drift`, for no time: no row is rewritten.
Deploy: any time; drifts that are open say no until the next snapshot of their source.
Undo: no loss of what matters: the next snapshot says it again.
"""

from alembic import op

revision = "20261218_0100"
down_revision = "20261217_0100"
breaks_older = False  # they name the columns that they write


def upgrade() -> None:
    """Add the column; what is open was compared without a look at it."""
    op.execute("""
        ALTER TABLE drift ADD COLUMN moved BOOLEAN DEFAULT false NOT NULL;
        COMMENT ON COLUMN drift.moved IS 'documents moved the account since the snapshot''s moment';
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE drift DROP COLUMN moved")
