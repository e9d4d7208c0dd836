"""Find decisions that gave an authorization by the order that has it.

Why: nearly every decision gives one, and its id is the authorization's. Two indexes of decisions,
    by payer and by order, were a tenth of what an order costs the server. What gave an
    authorization says so now and is left out of them: its order knows its id, and its payer's
    orders are found in the order of their authorizations.
Locks: ACCESS EXCLUSIVE on `credit_order`, `past_authorization` and `decision`, in the order in
    which programs lock them, while five indexes are built: some five seconds for 1,400,000 orders
    and as many decisions. Asks are refused meanwhile (503, to be repeated), and reads wait.
Deploy: when few ask. Older programs run on with it, but their lists of decisions by customer or
    order read all decisions, and so does their `aval check-ledger`, for each 500 orders: let the
    new program answer these.
Undo: no loss but the time.
"""

from alembic import op

revision = "20261217_0100"
down_revision = "20261216_0200"
breaks_older = False  # they name the columns that they write, and no index

LOCK = "LOCK TABLE credit_order, past_authorization, decision IN ACCESS EXCLUSIVE MODE"


def upgrade() -> None:
    """Add the column, and make indexes anew of what is not found by an order."""
    op.execute(LOCK)
    op.execute("""
        ALTER TABLE decision ADD COLUMN opens BOOLEAN DEFAULT false NOT NULL;
        ALTER TABLE decision ALTER COLUMN opens SET STATISTICS 10;
        COMMENT ON COLUMN decision.opens
            IS 'the authorization of its id is its own: by that it is found, not by indexes';
        DROP INDEX decision_account_id_decision_id_idx, decision_segment_id_order_id_idx,
            credit_order_account_id_idx, past_authorization_account_id_idx;
        CREATE INDEX decision_by_account_idx ON decision (account_id, decision_id)
            WHERE NOT opens;
        CREATE INDEX decision_by_order_idx ON decision (segment_id, order_id) WHERE NOT opens;
        CREATE INDEX credit_order_account_id_authorization_id_idx
            ON credit_order (account_id, authorization_id);
        CREATE INDEX past_authorization_account_id_authorization_id_idx
            ON past_authorization (account_id, authorization_id);
        CREATE INDEX past_authorization_segment_id_order_id_idx
            ON past_authorization (segment_id, order_id)
    """)


def downgrade() -> None:
    """Make the indexes of all decisions again."""
    op.execute(LOCK)
    op.execute("""
        DROP INDEX credit_order_account_id_authorization_id_idx,
            past_authorization_account_id_authorization_id_idx,
            past_authorization_segment_id_order_id_idx;
        CREATE INDEX credit_order_account_id_idx ON credit_order (account_id);
        CREATE INDEX past_authorization_account_id_idx ON past_authorization (account_id);
        DROP INDEX decision_by_account_idx, decision_by_order_idx;
        ALTER TABLE decision DROP COLUMN opens;
        CREATE INDEX decision_account_id_decision_id_idx ON decision (account_id, decision_id);
        CREATE INDEX decision_segment_id_order_id_idx ON decision (segment_id, order_id)
    """)
