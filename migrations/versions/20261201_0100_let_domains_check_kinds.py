"""Let domains check the kinds of journal entries and decisions, not the tables.

Why: a table's CHECK is read and prepared anew for each partition that a statement writes to. The
    journal has sixteen, and a batch of as many orders meets eleven of them: a tenth of all that the
    server does for it. What a domain allows is prepared once a session.
Locks: ACCESS EXCLUSIVE on `journal` and `decision` for a moment: no row is read or written. The
    tables' CHECKs have proved every row, so what the domains allow is declared without a look.
Deploy: before the code, which starts on this revision only. Of a process of the old code each
    pooled connection may refuse the statements it has prepared on these columns, once.
Undo: reads both tables. A partition that was detached before this must get the columns' types
    before it is attached again.
"""

from alembic import op

revision = "20261201_0100"
down_revision = "20261130_0200"

KINDS = {
    ("journal", "kind"): "'AUTHORIZE', 'TOLERANCE', 'RELEASE', 'FREE', 'FACT', 'LIMIT',"
    " 'LIMIT_EFFECTIVE', 'FX_REVALUATION', 'REGROUP', 'MERGE', 'CURRENCY', 'ADJUSTMENT'",
    ("decision", "kind"): "'CHECK', 'AUTHORIZATION', 'RELEASE'",
    ("decision", "outcome"): "'APPROVE', 'HOLD', 'REJECT'",
}


def upgrade() -> None:
    """Move each check: the type changes while it allows anything, so that no row is looked at."""
    for (table, column), values in KINDS.items():
        domain = f"{table}_{column}"
        op.execute(f"CREATE DOMAIN {domain} AS TEXT")
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {domain}_check,"
            f" ALTER COLUMN {column} TYPE {domain}"
        )
        op.execute(
            f"ALTER DOMAIN {domain} ADD CONSTRAINT {domain}_check CHECK (VALUE IN ({values}))"
            " NOT VALID"
        )


def downgrade() -> None:
    """Move each check back."""
    for (table, column), values in KINDS.items():
        domain = f"{table}_{column}"
        op.execute(
            f"ALTER TABLE {table} ALTER COLUMN {column} TYPE TEXT,"
            f" ADD CONSTRAINT {domain}_check CHECK ({column} IN ({values}))"
        )
        op.execute(f"DROP DOMAIN {domain}")
