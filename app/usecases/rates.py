"""Exchange rates: stored with their date, never changed, listed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.errors import FieldError
from app.domain.facts import rate_cause
from app.domain.money import Rate
from app.store import rates
from app.store.database import Database
from app.usecases.asks import Answer
from app.usecases.causes import Requeue, announce
from app.usecases.idempotency import once
from app.usecases.identifiers import check_currency
from app.usecases.keyed import Keyed
from app.usecases.sight import need_everywhere

MOST_AHEAD_DAYS: Final = 7
"""A rate may be dated so many days after today (UTC), inclusive: banks publish before a holiday."""

LEAST, MOST = Decimal("1e-8"), Decimal("1e8")
"""What one unit of a currency in circulation may be worth in another, inclusive."""

_RATE: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateAsk:
    """1 `base` = `rate` (a decimal string) `quote`, as `source` says, on `rate_date`."""

    base: str
    quote: str
    rate: str
    rate_date: date
    source: str


def parse_rate(text: str) -> Decimal:
    """Read a rate: a plain decimal, at most 18 fraction digits, within `LEAST` and `MOST`.

    Raises:
        FieldError: Not such a number.

    """
    if not _RATE.fullmatch(text):
        raise FieldError(
            f"{text[:40]!r} is not a decimal such as 7.1234 with at most 18 fraction digits", "rate"
        )
    rate = Decimal(text)
    if not LEAST <= rate <= MOST:
        raise FieldError(f"{text[:40]} lies outside {LEAST:f} to {MOST:f}", "rate")
    return rate


@dataclass(frozen=True, slots=True)
class AddRate:
    """Store a rate, then let facts that waited for it be applied."""

    database: Database
    now: Callable[[], datetime]
    requeue: Requeue

    def __call__(
        self, keyed: Keyed, ask: RateAsk, render: Callable[[tuple[int, Rate]], Answer]
    ) -> Answer:
        """Answer the rate with its id.

        Raises:
            FieldError: A field breaks a rule; says which.
            ForbiddenError: The caller does not see every segment: rates count in all of them.
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        rate = self._check(ask)
        with self.database.begin() as tx:
            need_everywhere(tx, keyed.caller)
            answer = once(
                tx,
                keyed.caller,
                keyed.key,
                keyed.digest,
                lambda: render((rates.add(tx, rate), rate)),
            )
        if not answer.replayed:
            announce(self.requeue, [rate_cause(ask.base, ask.quote)])
        return answer

    def _check(self, ask: RateAsk) -> Rate:
        check_currency(ask.base, "base")
        check_currency(ask.quote, "quote")
        if ask.base == ask.quote:
            raise FieldError("must differ from base", "quote")
        last = self.now().date() + timedelta(days=MOST_AHEAD_DAYS)
        if ask.rate_date > last:
            raise FieldError(f"must not be later than {last}", "rate_date")
        rate = parse_rate(ask.rate)
        return Rate(ask.base, ask.quote, rate, ask.rate_date.isoformat(), ask.source)


@dataclass(frozen=True, slots=True)
class ListRates:
    """List stored rates, the one stored last first."""

    database: Database

    def __call__(
        self, pair: tuple[str | None, str | None], before: int | None, most: int
    ) -> list[tuple[int, Rate]]:
        """Return one page of (id, rate); `pair` is (base, quote) as stored, None: any."""
        with self.database.read() as tx:
            return rates.listing(tx, pair, before, most)
