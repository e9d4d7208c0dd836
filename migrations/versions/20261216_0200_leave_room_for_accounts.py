"""Let pages of accounts that are written all the time be tidied rarely.

Why: PostgreSQL tidies a page that it meets with less room than the fillfactor says; with 50 that
    was once for each order, since a page is filled to just that. With 75 it is once in ten, where
    half of a page is free. So that it is, a row is added wider than it needs to be; the first order
    takes that away. What is there already has the room that 50 left it.
Locks: ACCESS EXCLUSIVE on `account`, for no time: no row is rewritten.
Deploy: any time; older programs run on with it, whose orders take nothing away.
Undo: no loss.
"""

from alembic import op

revision = "20261216_0200"
down_revision = "20261216_0100"
breaks_older = False  # they name the columns that they write, and need none of what they read


def upgrade() -> None:
    """Add the column, to new rows alone."""
    op.execute("""
        ALTER TABLE account ADD COLUMN blanks TEXT;
        ALTER TABLE account ALTER COLUMN blanks SET DEFAULT repeat(' ', 150);
        ALTER TABLE account ALTER COLUMN blanks SET STATISTICS 10;
        COMMENT ON COLUMN account.blanks
            IS 'taken away by the first order, which leaves room on the page for versions to come';
        ALTER TABLE account SET (fillfactor = 75);
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("""
        ALTER TABLE account SET (fillfactor = 50);
        ALTER TABLE account DROP COLUMN blanks;
    """)
