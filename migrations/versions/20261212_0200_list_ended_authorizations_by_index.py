"""Let authorizations that were given back or ran out be listed from indexes of their own.

Why: `GET /v1/authorizations?status=EXPIRED` walked through all orders, newest first, until it had a
    page of them: through 10,000,000 where few ever ran out.
Locks: SHARE on `credit_order` while it is built, some seconds for 10,000,000 orders: asks wait.
Deploy: any time; older programs run on with it.
Undo: no loss but the time.
"""

from alembic import op

revision = "20261212_0200"
down_revision = "20261212_0100"
breaks_older = False  # statements name no index


def upgrade() -> None:
    """Make the indexes: of what orders have, and of what others' replaced."""
    op.execute("""
        CREATE INDEX credit_order_ended_idx ON credit_order (state, authorization_id)
            WHERE state IN ('RELEASED', 'EXPIRED');
        CREATE INDEX past_expired_idx ON past_authorization (authorization_id)
            WHERE state = 'EXPIRED'
    """)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP INDEX credit_order_ended_idx, past_expired_idx")
