"""Hand everything that hangs on one record of a payer over to another."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Table, select, text, update

from app.store.database import Tx
from app.store.schema.decisions import order_hold
from app.store.schema.documents import (
    credit,
    credit_order,
    delivery,
    dispute,
    invoice,
    note,
    order_fact,
    past_authorization,
    payment,
)
from app.store.schema.evidence import quarantine
from app.store.schema.parties import account, customer_ref
from app.store.schema.reconciliation import adjustment

DOCUMENTS: Final[tuple[Table, ...]] = (
    credit_order,
    past_authorization,
    order_fact,
    delivery,
    invoice,
    payment,
    note,
    credit,
    dispute,
    quarantine,
    order_hold,
    adjustment,
)
"""What names its payer's account and is not evidence of a moment."""


_CONCERN = text("""
UPDATE quarantine SET concerns = ARRAY(
    SELECT DISTINCT c FROM unnest(array_replace(concerns, :source, :target)) AS c
    WHERE c IS DISTINCT FROM account_id ORDER BY c)
WHERE concerns && ARRAY[CAST(:source AS bigint), CAST(:target AS bigint)] AND status = 'OPEN'
""")

_COUNT = text("""
UPDATE account a SET quarantined = CASE a.account_id
    WHEN :target THEN (SELECT count(*) FROM quarantine
        WHERE status = 'OPEN' AND (account_id = :target OR :target = ANY(concerns)))
    ELSE 0 END
WHERE a.account_id IN (:source, :target)
""")
"""What concerned both counts once."""

_STOP = text("""
UPDATE account a SET status = 'STOPPED'
WHERE a.customer_id = :customer_id AND EXISTS (
    SELECT FROM order_hold h
    WHERE h.customer_id = :customer_id AND h.kind = 'STOP' AND h.status = 'OPEN'
        AND (h.segment_id IS NULL OR h.segment_id = a.segment_id))
""")


def hand_over(tx: Tx, account_ids: Mapping[int, int]) -> None:
    """Let documents of accounts (source to target) name the target; all of them are locked.

    What orders carry (`order_use`) is not a document, and is computed anew by the caller.
    """
    for source, target in account_ids.items():
        for table in DOCUMENTS:
            statement = update(table).where(table.c.account_id == source)
            tx.execute(statement.values(account_id=target))
        tx.execute(_CONCERN, {"source": source, "target": target})
        tx.execute(_COUNT, {"source": source, "target": target})


def hand_over_holds(tx: Tx, source_id: str, target_id: str) -> None:
    """Let holds of a customer name another, whose accounts they stop from now on."""
    statement = update(order_hold).where(order_hold.c.customer_id == source_id)
    tx.execute(statement.values(customer_id=target_id))
    tx.execute(_STOP, {"customer_id": target_id})


def account_ids(tx: Tx, customer_id: str) -> dict[str, int]:
    """List a customer's accounts by segment."""
    query = select(account.c.segment_id, account.c.account_id)
    rows = tx.execute(query.where(account.c.customer_id == customer_id))
    return {row.segment_id: row.account_id for row in rows}


def with_merged(tx: Tx, customer_id: str) -> dict[int, tuple[str, str]]:
    """List a customer's accounts and those of records merged into it: id to own customer, segment.

    For what is told of the past: nothing that those still say counts any more.
    """
    query = (
        select(account.c.account_id, account.c.customer_id, account.c.segment_id)
        .join(customer_ref, customer_ref.c.ref == account.c.customer_id)
        .where(customer_ref.c.customer_id == customer_id)
    )
    return {row.account_id: (row.customer_id, row.segment_id) for row in tx.execute(query)}
