"""The limit in force on every account, from the limits and covers that were approved for it.

A row's limit was found on some business date and holds until `limit_changes_on`; so it must be
what the approved limits say of the day before that date, whatever day it is today.
"""

from collections.abc import Iterator
from typing import Final

from app.store.checker_ground import Difference, Snapshot, money

_LIMITS: Final = """
WITH approved AS (
    SELECT l.*, row_number() OVER (
            PARTITION BY l.account_id ORDER BY l.decided_at, l.created_at, l.limit_id) AS place,
        coalesce(a.limit_changes_on - 1, DATE '9999-12-31') AS day,
        -- what was over before it was told replaces nothing
        l.kind = 'base' AND (l.valid_to IS NULL
            OR l.valid_to >= date_trunc('day', l.decided_at AT TIME ZONE s.time_zone)) AS replaces
    FROM credit_limit l JOIN account a ON a.account_id = l.account_id
    JOIN segment s ON s.segment_id = a.segment_id
    WHERE l.status = 'APPROVED'
),
ranked AS (
    SELECT *, max(valid_from) FILTER (WHERE replaces AND valid_from <= day) OVER (
        PARTITION BY account_id ORDER BY place DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later
    FROM approved
),
valid AS (
    SELECT * FROM ranked WHERE valid_from <= day AND (valid_to IS NULL OR valid_to >= day)
),
standing AS (
    SELECT * FROM valid
    WHERE kind = 'temporary' OR kind = 'base' AND (later IS NULL OR later < valid_from)
),
covered AS (
    SELECT account_id, sum(floor(cap_minor * percentage / 100))::bigint AS minor
    FROM valid WHERE kind = 'cover' GROUP BY account_id
),
best AS (
    SELECT DISTINCT ON (account_id) account_id, unlimited,
        limit_minor + CASE WHEN limit_minor > 0 THEN coalesce(c.minor, 0) ELSE 0 END AS limit_minor
    FROM standing LEFT JOIN covered c USING (account_id)
    ORDER BY account_id, kind = 'temporary' DESC, place DESC
),
lapsed AS (
    SELECT DISTINCT account_id FROM approved WHERE kind = 'base' AND valid_to < day
),
begun AS ( -- the day on which one was ended is told by the zone of then: it is one of three
    SELECT account_id, valid_from <= day AS surely FROM (
        SELECT account_id, valid_from, day, day AS latest FROM approved WHERE kind <> 'cover'
        UNION ALL
        SELECT account_id, valid_from, (ended_at AT TIME ZONE 'UTC')::date - 1,
            (ended_at AT TIME ZONE 'UTC')::date + 1
        FROM credit_limit WHERE status = 'ENDED' AND kind <> 'cover') AS g
    WHERE valid_from <= latest
),
given AS ( -- what a record was given that is merged into another counts for that one too
    SELECT h.account_id, bool_or(b.surely) AS surely
    FROM begun b JOIN account a ON a.account_id = b.account_id
    JOIN customer_ref r ON r.ref = a.customer_id
    JOIN account h ON h.customer_id = r.customer_id AND h.segment_id = a.segment_id
    GROUP BY h.account_id
),
turning AS (
    SELECT account_id, min(turn) AS turn FROM (
        SELECT account_id, valid_from AS turn FROM approved WHERE valid_from > day
        UNION ALL
        SELECT account_id, valid_to + 1 FROM valid
        WHERE valid_to < DATE '9999-12-31') AS t
    GROUP BY account_id
)
SELECT a.account_id, a.currency, a.limit_minor AS found, a.unlimited AS found_unlimited,
    b.limit_minor AS expected, coalesce(b.unlimited, false) AS expected_unlimited,
    a.limit_expired AS found_expired, a.limit_changes_on AS found_turn, t.turn AS expected_turn,
    e.expired AS expected_expired, a.limit_withheld AS found_withheld,
    e.withheld AS expected_withheld
FROM account a
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN best b ON b.account_id = a.account_id
LEFT JOIN lapsed p ON p.account_id = a.account_id
LEFT JOIN given g ON g.account_id = a.account_id
CROSS JOIN LATERAL (
    SELECT b.account_id IS NULL AND p.account_id IS NOT NULL AS expired,
        b.limit_minor IS NULL AND NOT coalesce(b.unlimited, false)
            AND (b.account_id IS NOT NULL OR p.account_id IS NULL)
            AND CASE WHEN a.limit_withheld THEN g.account_id IS NOT NULL
                ELSE coalesce(g.surely, false) END AS withheld) AS e
LEFT JOIN turning t ON t.account_id = a.account_id
WHERE a.limit_minor IS DISTINCT FROM b.limit_minor
    OR a.unlimited <> coalesce(b.unlimited, false)
    OR a.limit_expired <> e.expired OR a.limit_withheld <> e.withheld AND c.merged_into IS NULL
    OR a.limit_changes_on IS DISTINCT FROM t.turn
ORDER BY a.account_id LIMIT 1
"""

# While one with an amount is not over, its account's currency cannot change.
_CURRENCIES: Final = """
SELECT l.account_id, l.kind, l.limit_minor, l.currency AS found, a.currency AS expected
FROM credit_limit l JOIN account a ON a.account_id = l.account_id
WHERE l.status = 'APPROVED' AND l.limit_minor IS NOT NULL AND l.currency <> a.currency
    AND (l.valid_to IS NULL OR l.valid_to >= coalesce(a.limit_changes_on - 1, DATE '9999-12-31'))
ORDER BY l.account_id, l.decided_at, l.limit_id LIMIT 1
"""


def check_limits(snapshot: Snapshot) -> Iterator[Difference]:
    """Find the effective limit of every account again; what is in force is in its currency."""
    for row in snapshot.rows(_LIMITS):
        sides = [(_shown(row, side), side) for side in ("expected", "found")]
        (expected, _), (found, _) = sides
        if expected == found:
            expected, found = (told + _more(row, side) for told, side in sides)
        yield Difference(
            row["account_id"], f"limit: expected {expected} from approved limits, found {found}"
        )
    for row in snapshot.rows(_CURRENCIES):
        told = money(row["limit_minor"], row["found"])
        what = "cover" if row["kind"] == "cover" else f"{row['kind']} limit"
        text = f"{what} of {told}: expected {row['expected']}, in which its account is kept"
        yield Difference(row["account_id"], f"{text}, found {row['found']}")


def _more(row: dict[str, object], side: str) -> str:
    words = (f"{word} {row[f'{side}_{word}']}" for word in ("expired", "withheld"))
    return f", {', '.join(words)} until {row[f'{side}_turn']}"


def _shown(row: dict[str, object], side: str) -> str:
    minor = row[side]
    if row[f"{side}_unlimited"]:
        return "unlimited"
    return money(None if minor is None else int(str(minor)), str(row["currency"]))
