"""What a recommended limit is worked out from, beside scores and payment behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import text

from app.store.database import Tx

_INVOICED: Final = text("""
SELECT i.currency, sum(i.amount_minor)::bigint AS minor
FROM account m JOIN invoice i ON i.account_id = m.account_id
WHERE :account_id = ANY(m.path) AND m.segment_id = :segment_id
    AND i.issue_date > :since AND i.issue_date <= :until
GROUP BY i.currency
""")


def invoiced(tx: Tx, account: tuple[int, str], since: date, until: date) -> dict[str, int]:
    """Sum what was invoiced to an account and its members, by currency, in its minor units.

    `account` is its id and segment; `since` is exclusive, `until` inclusive.
    """
    account_id, segment_id = account
    told = {"account_id": account_id, "segment_id": segment_id, "since": since, "until": until}
    return {row.currency: int(row.minor) for row in tx.execute(_INVOICED, told)}


_FAMILY: Final = text("""
SELECT m.customer_id FROM account m
WHERE :account_id = ANY(m.path) AND m.segment_id = :segment_id ORDER BY m.customer_id
""")


def family(tx: Tx, account_id: int, segment_id: str) -> list[str]:
    """Name the customers of an account and of its members, in its segment."""
    told = {"account_id": account_id, "segment_id": segment_id}
    return list(tx.execute(_FAMILY, told).scalars())


@dataclass(frozen=True, slots=True)
class Adjustable:
    """An account whose base limit may follow what is recommended.

    `decided_at` is the last decision on a base limit, or a proposal of the policy's if later.
    """

    account_id: int
    customer_id: str
    segment_id: str
    decided_at: datetime


_ADJUSTABLE: Final = text("""
SELECT a.account_id, a.customer_id, a.segment_id, l.decided_at
FROM account a
JOIN LATERAL (
    SELECT max(greatest(b.decided_at, b.ended_at, CASE b.origin WHEN 'DYNAMIC' THEN b.created_at
            END)) AS decided_at, bool_or(b.status = 'PROPOSED') AS waits
    FROM credit_limit b WHERE b.account_id = a.account_id AND b.kind = 'base'
) AS l ON l.decided_at IS NOT NULL AND NOT l.waits
WHERE a.account_id > :after AND a.segment_id = ANY(:segments)
    AND a.limit_minor > 0 AND NOT a.unlimited
ORDER BY a.account_id LIMIT :most
""")


def adjustable(tx: Tx, segments: Sequence[str], after: int, most: int) -> list[Adjustable]:
    """List accounts of segments with a base limit on which nobody has to decide, by id."""
    told = {"segments": list(segments), "after": after, "most": most}
    return [
        Adjustable(row.account_id, row.customer_id, row.segment_id, row.decided_at)
        for row in tx.execute(_ADJUSTABLE, told)
    ]
