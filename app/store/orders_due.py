"""Orders whose day to count has come and that nobody has counted yet: whose figures are behind."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.domain.facts_balances import MAX_TOTAL
from app.domain.rates import MAX_AGE_DAYS
from app.store.database import Tx

_DUE: Final = """
FROM credit_order c
WHERE c.counts_from IS NOT NULL AND c.counts_from <= d.today AND c.segment_id = s.segment_id
ORDER BY c.counts_from
"""
"""Orders of a segment `s` whose day has come by its business date `d.today`.

Ordered, so that the index by that day is read, also by a plan that was made on an empty table.
"""

FIRST: Final = f"SELECT c.counts_from {_DUE} LIMIT 1"
"""The first day of such an order; null where there is none."""

_COUNTABLE: Final = f"""
NOT EXISTS (
    SELECT FROM account a
    WHERE a.account_id = ANY(b.path) AND (
        a.authorized_minor > {MAX_TOTAL} - c.authorized_minor
        OR a.currency <> c.currency AND NOT coalesce(a.foreign_use ? c.currency, false)
            AND NOT EXISTS (
                SELECT FROM fx_rate r
                WHERE (r.base, r.quote) IN ((c.currency, a.currency), (a.currency, c.currency))
                    AND r.rate_date BETWEEN d.today - {MAX_AGE_DAYS} AND d.today)))
"""  # noqa: S608 - put together from our own constants
"""Whether such an order `c` of an account `b` can be counted.

That it has not expired must be asked too: what has by its day never counts. What cannot be counted
waits: where no rate values it on some account of its path, or there is no room for it at all.
"""

_DUE_ON: Final = f"""
FROM segment s
CROSS JOIN LATERAL (SELECT ({{at}} AT TIME ZONE s.time_zone)::date AS today) AS d
CROSS JOIN LATERAL (SELECT c.* {_DUE} OFFSET 0) AS c
JOIN account b ON b.account_id = c.account_id
WHERE (c.expires_at IS NULL OR c.expires_at > {{at}}) AND b.path && {{ids}} AND {_COUNTABLE}
"""
"""OFFSET keeps the order, and with it the index, from being planned away."""

ON: Final = "SELECT DISTINCT unnest(b.path) AS account_id " + _DUE_ON.format(
    at="%(at)s", ids="%(ids)s"
)
"""The accounts of the paths of such orders, of those that count on one of some accounts."""

_PAYERS: Final = text(
    "SELECT DISTINCT b.account_id"
    + _DUE_ON.format(at="CAST(:at AS timestamptz)", ids="CAST(:on AS bigint[])")
    + "ORDER BY b.account_id"
)


def payers_behind(tx: Tx, at: datetime, on: Collection[int]) -> list[int]:
    """Name the payers of orders that count on accounts by a moment, and are not counted yet.

    `on` are account ids, the payers' own or those of groups.
    """
    values = {"at": at, "on": sorted(on)}
    return [row.account_id for row in tx.execute(_PAYERS, values)]
