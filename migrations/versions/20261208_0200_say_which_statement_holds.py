"""Say in the table's comment which statement of a year holds.

Why: it is the one known last, no more the one added last: an older one told later replaces none.
Locks: SHARE UPDATE EXCLUSIVE on `financial_statement` for a moment.
Deploy: before the code, which starts on this revision only. The old code runs on with it.
"""

from alembic import op

revision = "20261208_0200"
down_revision = "20261208_0100"


def upgrade() -> None:
    """Say what holds."""
    op.execute("""
        COMMENT ON TABLE financial_statement IS
            'of a period the row known last holds, of those known since a day the one added last'
    """)


def downgrade() -> None:
    """Say what held before."""
    op.execute("COMMENT ON TABLE financial_statement IS 'of a period the row added last holds'")
