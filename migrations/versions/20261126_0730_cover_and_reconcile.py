"""Cover limits, find what makes up a figure, and reconcile it with the ERP's.

Why: a cover is a row of `credit_limit` whose contribution the database itself holds to its terms.
    Drill-down and nightly snapshots sum what is open on an account, which small partial indexes
    find whatever an account has behind it. An adjustment is evidence; only its account changes,
    when two records of one payer are merged.
Locks: ACCESS EXCLUSIVE on `credit_limit` and `journal` while they are scanned; SHARE on
    `order_use`, `invoice`, `payment` and `credit` while an index is built. Run it before traffic.
Deploy: before the code that writes them.
Undo: needs covers and journal entries of adjustments to be gone.
"""

from alembic import op

revision = "20261126_0730"
down_revision = "20261124_0350"

UP = """
ALTER TABLE credit_limit
    ADD COLUMN cover_kind TEXT,
    ADD COLUMN percentage NUMERIC(5, 2),
    ADD COLUMN cap_minor BIGINT,
    ADD COLUMN reference TEXT,
    DROP CONSTRAINT credit_limit_kind_check,
    ADD CONSTRAINT credit_limit_kind_check CHECK (kind IN ('base', 'temporary', 'cover')),
    ADD CONSTRAINT credit_limit_cover_kind_check CHECK (cover_kind IN ('INSURANCE', 'GUARANTEE',
        'DEPOSIT')),
    ADD CONSTRAINT credit_limit_cover_check CHECK (CASE kind WHEN 'cover' THEN
        cover_kind IS NOT NULL AND NOT unlimited AND percentage > 0 AND percentage <= 100
        AND cap_minor > 0
        AND limit_minor IS NOT DISTINCT FROM floor(cap_minor * percentage / 100)
        ELSE num_nonnulls(cover_kind, percentage, cap_minor, reference) = 0 END);
"""

DOWN = """
ALTER TABLE credit_limit
    DROP CONSTRAINT credit_limit_cover_check,
    DROP CONSTRAINT credit_limit_cover_kind_check,
    DROP CONSTRAINT credit_limit_kind_check,
    ADD CONSTRAINT credit_limit_kind_check CHECK (kind IN ('base', 'temporary')),
    DROP COLUMN cover_kind,
    DROP COLUMN percentage,
    DROP COLUMN cap_minor,
    DROP COLUMN reference;
"""


def upgrade() -> None:
    """Widen limits and the journal, add tables and indexes."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
