"""Which stored exchange rate a conversion takes."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from app.domain.money import Rate

MAX_AGE_DAYS: Final = 7
"""A rate dated more days than this before today is as good as none (inclusive)."""


def find_rate(rates: Iterable[Rate], source: str, target: str, today: date) -> Rate | None:
    """Take the newest rate between two currencies, direct or inverse, not after `today`.

    Of one date the direct one wins, then the one stored last (`rates` come in stored order).
    """
    best: tuple[str, bool, int] | None = None
    found: Rate | None = None
    for order, rate in enumerate(rates):
        direct = (rate.base, rate.quote) == (source, target)
        if not direct and (rate.base, rate.quote) != (target, source):
            continue
        age = (today - date.fromisoformat(rate.rate_date)).days
        if not 0 <= age <= MAX_AGE_DAYS:
            continue
        rank = (rate.rate_date, direct, order)
        if best is None or rank > best:
            best, found = rank, rate
    return found
