"""Tell rules what kind of customer an account is of: a version of its inputs with master data.

Why: rules read and are scoped by kind, country, industry and the start of the relation. Decisions
    refer to these by version, so they belong to the inputs; rows of before this do not have them,
    and a rule that reads them would hold every order with MISSING_INPUT.
Locks: ROW EXCLUSIVE on `account`, and each of its rows until the end: run it before traffic.
Deploy: with the code that keeps the inputs in step with master data; older code ignores them.
Undo: nothing to do: inputs are append-only, and more keys in them do no harm.
"""

from alembic import op

revision = "20261127_0410"
down_revision = "20261127_0400"

UP = """
INSERT INTO account_input (account_id, version, data)
SELECT a.account_id, a.input_version + 1, coalesce(i.data, '{}'::jsonb) || jsonb_build_object(
    'active', c.active, 'kind', c.kind, 'country', c.country, 'industry', c.industry,
    'since', c.since)
FROM account a
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version;
UPDATE account SET input_version = input_version + 1;
"""


def upgrade() -> None:
    """Append a version to the inputs of each account."""
    op.execute(UP)


def downgrade() -> None:
    """Leave what was appended."""
