"""Accounts whose limit or cover begins or lapses by a business date, and on which nobody acted."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import Date, DateTime, bindparam, text

from app.store.database import Tx

Place = tuple[date, int]
"""(first day on which the limit may differ, account): the order in which they are listed."""

_FIRST: Final[Place] = (date.min, 0)

# The latest day anywhere bounds the walk along the index; each segment's own day decides.
_DUE = text("""
SELECT a.limit_changes_on, a.account_id
FROM account a JOIN segment s ON s.segment_id = a.segment_id
WHERE a.limit_changes_on <= (SELECT max((:at AT TIME ZONE time_zone)::date) FROM segment)
    AND a.limit_changes_on <= (:at AT TIME ZONE s.time_zone)::date
    AND (a.limit_changes_on, a.account_id) > (:day, :account_id)
ORDER BY a.limit_changes_on, a.account_id LIMIT :most
""").bindparams(bindparam("at", type_=DateTime(timezone=True)), bindparam("day", type_=Date))


def due(tx: Tx, at: datetime, after: Place | None, most: int) -> list[Place]:
    """List accounts on whose segment's business date of a moment the limit may differ.

    They are not locked; the one that has waited longest comes first. `after` is the last one seen.
    """
    day, account_id = after or _FIRST
    values = {"at": at, "day": day, "account_id": account_id, "most": most}
    return [(row.limit_changes_on, row.account_id) for row in tx.execute(_DUE, values)]
