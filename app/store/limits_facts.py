"""What a recommended limit is worked out from, beside scores and payment behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import text

from app.domain.groups import MAX_DEPTH
from app.store.database import Tx

# Walked down from the customer: no index knows in whose paths an account is. The path decides, for
# a record that was merged has no members.
_MEMBERS: Final = f"""
WITH RECURSIVE below AS (
    SELECT r.customer_id, 1 AS depth
    FROM account a JOIN customer_ref r ON r.ref = a.customer_id WHERE a.account_id = :account_id
    UNION ALL
    SELECT c.customer_id, b.depth + 1
    FROM below b JOIN customer c ON c.parent_id = b.customer_id WHERE b.depth < {MAX_DEPTH}
), member AS (
    SELECT m.account_id, m.customer_id
    FROM below b JOIN customer_ref r ON r.customer_id = b.customer_id
    JOIN account m ON m.customer_id = r.ref AND m.segment_id = :segment_id
    WHERE :account_id = ANY(m.path))
"""  # noqa: S608 - a number of the domain

_INVOICED: Final = text(f"""
{_MEMBERS}
SELECT i.currency, sum(i.amount_minor)::bigint AS minor
FROM member m JOIN invoice i ON i.account_id = m.account_id
WHERE i.issue_date > :since AND i.issue_date <= :until
GROUP BY i.currency
""")  # noqa: S608 - put together from our own constants


def invoiced(tx: Tx, account: tuple[int, str], since: date, until: date) -> dict[str, int]:
    """Sum what was invoiced to an account and its members, by currency, in its minor units.

    `account` is its id and segment; `since` is exclusive, `until` inclusive.
    """
    account_id, segment_id = account
    told = {"account_id": account_id, "segment_id": segment_id, "since": since, "until": until}
    return {row.currency: int(row.minor) for row in tx.execute(_INVOICED, told)}


_FAMILY: Final = text(f"""
{_MEMBERS} SELECT customer_id FROM member ORDER BY customer_id
""")  # noqa: S608 - put together from our own constants


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
