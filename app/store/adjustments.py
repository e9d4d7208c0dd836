"""Adjustments: added, read back, and what of those that lower a figure is left."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, text

from app.domain.adjustments import Adjustment, Lowerings
from app.domain.errors import NotFoundError
from app.domain.money import Money
from app.store.database import Tx
from app.store.exposure import own_positions
from app.store.schema.reconciliation import adjustment

_LEFT = text("""
SELECT d.account_id, d.currency, d.category, d.adjustment_id,
    (d.amount_minor + coalesce(r.minor, 0))::bigint AS left_minor
FROM adjustment d
LEFT JOIN LATERAL (
    SELECT sum(amount_minor) AS minor FROM adjustment
    WHERE reverses = d.adjustment_id) AS r ON true
WHERE d.account_id = ANY(:ids) AND d.kind = 'DRIFT' AND d.amount_minor < 0
    AND d.amount_minor + coalesce(r.minor, 0) < 0
ORDER BY d.at, d.adjustment_id
""")


def lowerings(tx: Tx, account_ids: Collection[int]) -> Lowerings:
    """Read what adjustments lower on accounts that were locked in this transaction.

    Most accounts have none, and cost one look into an index.
    """
    found = Lowerings()
    rows = tx.execute(_LEFT, {"ids": sorted(account_ids)}).all()
    for row in rows:
        lowered = (row.account_id, row.currency, row.category)
        found.left.setdefault(lowered, []).append((row.adjustment_id, row.left_minor))
    if rows:
        own = own_positions(tx, {row.account_id for row in rows})
        purses = {(row.account_id, row.currency) for row in rows}
        found.own = {purse: use for purse, use in own.items() if purse in purses}
    return found


def add(tx: Tx, made: Iterable[Adjustment]) -> None:
    """Store new adjustments, whose accounts were locked in this transaction."""
    rows = [_to_row(one) for one in made]
    if rows:
        tx.execute(insert(adjustment), rows)


def _to_row(one: Adjustment) -> dict[str, Any]:
    plain = {
        column.name: getattr(one, column.name)
        for column in adjustment.c
        if column.name not in {"amount_minor", "currency"}
    }
    return {**plain, "amount_minor": one.amount.minor, "currency": one.amount.currency}


def _from_row(row: RowMapping) -> Adjustment:
    told = dict(row)
    return Adjustment(amount=Money(told.pop("amount_minor"), told.pop("currency")), **told)


def read(tx: Tx, adjustment_id: str) -> Adjustment:
    """Read an adjustment; under the lock of its account nobody else takes it back.

    Raises:
        NotFoundError: There is none.

    """
    query = select(adjustment).where(adjustment.c.adjustment_id == adjustment_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no adjustment has the id {adjustment_id}", "adjustment_id")
    return _from_row(row)


def left_of(tx: Tx, one: Adjustment) -> int:
    """Give what of a DRIFT adjustment nobody has taken back, in minor units, with its sign."""
    query = select(func.coalesce(func.sum(adjustment.c.amount_minor), 0))
    back = tx.execute(query.where(adjustment.c.reverses == one.adjustment_id)).scalar_one()
    return one.amount.minor + int(back)
