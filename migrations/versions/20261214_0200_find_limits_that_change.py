"""Let accounts be found by the day on which their limit changes.

Why: a limit that began or lapsed was put in force only where somebody asked about its account, and
    `GET /v1/customers?traffic_light=` went by the one of before. `aval work` looks for them now.
Locks: SHARE on `account` from when it is built, a second or two for 1,000,000 accounts, to the end
    of the migration: asks wait.
Deploy: any time; older programs run on with it.
Undo: no loss but the time.
"""

from alembic import op

revision = "20261214_0200"
down_revision = "20261214_0100"
breaks_older = False  # statements name no index


def upgrade() -> None:
    """Make the index, of accounts with a limit that changes by itself."""
    op.execute("""
        CREATE INDEX account_limit_changes_on_idx ON account (limit_changes_on, account_id)
            WHERE limit_changes_on IS NOT NULL
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP INDEX account_limit_changes_on_idx")
