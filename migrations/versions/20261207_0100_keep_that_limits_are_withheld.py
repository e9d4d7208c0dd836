"""Keep of an account that no credit is granted though a limit was in force before.

Why: a group that was never given a limit is passed by; one whose limit is null, was ended or lapsed
    was passed by as well, and its members bought without any. The two are told apart now.
Locks: ACCESS EXCLUSIVE on `account` for a moment; then the rows of accounts without a limit that
    once had one, until the migration commits.
Deploy: before the code, which starts on this revision only. The old code runs on with it but does
    not keep the column: `aval check-ledger` names what limits it changed meanwhile.
"""

from alembic import op

revision = "20261207_0100"
down_revision = "20261206_0100"

ADD = """
ALTER TABLE account ADD COLUMN limit_withheld BOOLEAN DEFAULT false NOT NULL,
    ALTER COLUMN limit_withheld SET STATISTICS 10
"""

FILL = """
UPDATE account a SET limit_withheld = true
FROM segment s
WHERE s.segment_id = a.segment_id
    AND a.limit_minor IS NULL AND NOT a.unlimited AND NOT a.limit_expired
    AND EXISTS ( -- of its own, or of a record that was merged into its customer
        SELECT FROM customer_ref r
        JOIN account m ON m.customer_id = r.ref AND m.segment_id = a.segment_id
        JOIN credit_limit l ON l.account_id = m.account_id
        WHERE r.customer_id = a.customer_id AND l.kind <> 'cover'
            AND (l.status = 'APPROVED'
                    AND l.valid_from <= coalesce(a.limit_changes_on - 1, DATE '9999-12-31')
                OR l.status = 'ENDED'
                    AND l.valid_from <= (l.ended_at AT TIME ZONE s.time_zone)::date))
"""


def upgrade() -> None:
    """Add the column and fill it."""
    op.execute(ADD)
    op.execute(FILL)


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE account DROP COLUMN limit_withheld")
