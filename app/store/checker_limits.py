"""Every account's effective limit, found again from the approved limits and covers alone."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple

from app.store.checker_ground import Difference, Snapshot, money

_LIMITS: Final = """
SELECT a.account_id, a.currency, a.limit_minor, a.unlimited, a.limit_expired, a.limit_changes_on,
    l.rows
FROM account a
LEFT JOIN (
    SELECT account_id, jsonb_agg(jsonb_build_array(kind, limit_minor, unlimited,
        to_char(valid_from, 'YYYY-MM-DD'), to_char(valid_to, 'YYYY-MM-DD'), percentage::text,
        cap_minor) ORDER BY decided_at, created_at, limit_id) AS rows
    FROM credit_limit WHERE status = 'APPROVED' GROUP BY account_id) AS l USING (account_id)
WHERE l.rows IS NOT NULL OR a.limit_minor IS NOT NULL OR a.unlimited
ORDER BY a.account_id
"""
"""Approved rows by account, in the order of approval; dates are text."""

_END: Final = date.max


class _Row(NamedTuple):
    """A row of `rows`; `order` comes first, so that the largest was approved last."""

    order: int
    kind: str
    minor: int | None
    unlimited: bool
    begins: str
    ends: str | None
    percentage: str
    cap: int


def check_limits(snapshot: Snapshot) -> Iterator[Difference]:
    """Find each account's limit on the last day for which its row says that it holds.

    The row was put in force on some day and promises not to change before `limit_changes_on`, so
    that no clock is asked: the promise is wrong, or the limit is, where another holds that day.
    """
    for row in snapshot.stream(_LIMITS):
        changes_on = row["limit_changes_on"]
        day = _END if changes_on is None else changes_on - timedelta(days=1)
        expected = _limit_on(row["rows"] or [], day)
        found = "unlimited" if row["unlimited"] else row["limit_minor"]
        if expected != found:
            texts = [
                told if isinstance(told, str) else money(told, row["currency"])
                for told in (expected, found)
            ]
            yield Difference(
                row["account_id"],
                f"limit on {day}: expected {texts[0]} from what was approved, found {texts[1]}",
            )


def _limit_on(rows: Sequence[Sequence[Any]], day: date) -> int | str | None:
    """Give the effective limit in minor units, None or `unlimited`; `rows` by approval."""
    told = [_Row(order, *row) for order, row in enumerate(rows)]
    begun = [row for row in told if row.begins <= day.isoformat()]
    valid = [row for row in begun if row.ends is None or row.ends >= day.isoformat()]
    temporary = [row for row in valid if row.kind == "temporary"]
    standing = temporary or [row for row in _pile(begun) if row in valid]
    if not standing:
        return None
    held = max(standing)
    if held.unlimited or held.minor is None:
        return "unlimited" if held.unlimited else None
    covers = [row for row in valid if row.kind == "cover"]
    return held.minor + sum(int(Fraction(row.percentage) * row.cap / 100) for row in covers)


def _pile(begun: Sequence[_Row]) -> list[_Row]:
    """Lay base limits down as they began: a newer decision clears what lies there."""
    pile: list[_Row] = []
    base = [row for row in begun if row.kind == "base"]
    for row in sorted(base, key=lambda one: (one.begins, one.order)):
        pile = [old for old in pile if old.order > row.order] + [row]
    return pile
