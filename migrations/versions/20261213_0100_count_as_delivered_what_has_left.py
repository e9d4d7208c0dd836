"""Count of an order that was billed in full no more as delivered than has left.

Why: a `final` line of an order that nothing was delivered of made all that it billed delivered, and
    the goods were let go beyond the limit. And an `order` fact of an authorization that had run out
    and was not yet swept left the order without the reservation that its account went on carrying.
Locks: ROW EXCLUSIVE on `order_use` and `credit_order`; asks for the rows it writes wait until it
    ends. It reads all lines and all live orders: some ten seconds for 10,000,000 of each.
Deploy: before the code; older programs go on counting as they did, and refuse this schema.
Undo: no loss; the rows stay as they are, and older programs count them anew when they change.
"""

from alembic import op

revision = "20261213_0100"
down_revision = "20261212_0200"
breaks_older = True  # what they write of such an order is what `check-ledger` does not expect


def upgrade() -> None:
    """Write both figures anew from the documents; no account's total changes by it."""
    op.execute("""
        UPDATE order_use u SET delivered_minor = least(u.invoiced_minor, coalesce((
            SELECT sum(d.amount_minor) FROM delivery d
            WHERE d.segment_id = u.segment_id AND d.order_id = u.order_id
                AND d.account_id = u.account_id AND d.currency = u.currency), 0))
        FROM (
            SELECT DISTINCT v.segment_id, l.order_id, v.account_id, v.currency
            FROM invoice_line l
            JOIN invoice v ON v.segment_id = l.segment_id AND v.invoice_id = l.invoice_id
            WHERE l.final AND l.delivery_id IS NULL AND l.order_id IS NOT NULL
                AND v.amount_minor > 0) f
        WHERE u.segment_id = f.segment_id AND u.order_id = f.order_id
            AND u.account_id = f.account_id AND u.currency = f.currency;
        UPDATE credit_order o SET reserved_minor = n.left_minor
        FROM (
            SELECT o.segment_id, o.order_id, greatest(0, o.authorized_minor - greatest(0,
                coalesce(u.delivered_minor, 0), coalesce(u.invoiced_minor, 0))) AS left_minor
            FROM credit_order o
            LEFT JOIN order_use u ON u.segment_id = o.segment_id AND u.order_id = o.order_id
                AND u.account_id = o.account_id AND u.currency = o.currency
            WHERE o.state = 'LIVE' AND o.counts_from IS NULL AND o.reserved_minor = 0) n
        WHERE o.segment_id = n.segment_id AND o.order_id = n.order_id AND n.left_minor > 0
    """)


def downgrade() -> None:
    """Leave what was written: it is what the documents say."""
