"""Orders whose day to count has come and that nobody has counted yet: whose figures are behind."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.domain.facts_balances import MAX_TOTAL
from app.domain.rates import MAX_AGE_DAYS
from app.store.database import Tx

IS_DUE: Final = f"""
c.counts_from IS NOT NULL AND c.counts_from <= d.today AND NOT EXISTS (
    SELECT FROM account a
    WHERE a.account_id = ANY(b.path) AND (
        a.authorized_minor > {MAX_TOTAL} - c.authorized_minor
        OR a.currency <> c.currency AND NOT coalesce(a.foreign_use ? c.currency, false)
            AND NOT EXISTS (
                SELECT FROM fx_rate r
                WHERE (r.base, r.quote) IN ((c.currency, a.currency), (a.currency, c.currency))
                    AND r.rate_date BETWEEN d.today - {MAX_AGE_DAYS} AND d.today)))
"""  # noqa: S608 - put together from our own constants
"""Whether an order `c` of an account `b` counts from the business date `d.today` of its segment on.

That it has not expired must be asked too: what has by its day never counts. What cannot be counted
waits: where no rate values it on some account of its path, or there is no room for it at all.
"""

_PAYERS: Final = text(f"""
SELECT DISTINCT c.account_id
FROM credit_order c
JOIN account b ON b.account_id = c.account_id
JOIN segment s ON s.segment_id = c.segment_id
CROSS JOIN LATERAL (
    SELECT (CAST(:at AS timestamptz) AT TIME ZONE s.time_zone)::date AS today) AS d
WHERE {IS_DUE} AND (c.expires_at IS NULL OR c.expires_at > :at)
    AND b.path && CAST(:on AS bigint[])
ORDER BY c.account_id
""")  # noqa: S608 - put together from our own constants


def payers_behind(tx: Tx, at: datetime, on: Collection[int]) -> list[int]:
    """Name the payers of orders that count on accounts by a moment, and are not counted yet.

    `on` are account ids, the payers' own or those of groups.
    """
    values = {"at": at, "on": sorted(on)}
    return [row.account_id for row in tx.execute(_PAYERS, values)]
