"""Exchange rates: stored with their date, never changed, listed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.callers import Caller
from app.domain.changes import rate_added
from app.domain.errors import FieldError, RateImplausibleError
from app.domain.facts import rate_cause
from app.domain.money import Rate
from app.store import changes, rates
from app.store.database import Database, Tx
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

MOST_TIMES: Final = 5
"""A rate may be so many times the one before, or that many times less, inclusive: base and quote
exchanged, or a point misplaced, are seen in most pairs. Few currencies move as far in a year."""

_RATE: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateAsk:
    """1 `base` = `rate` (a decimal string) `quote`, as `source` says, on `rate_date`.

    `confirmed`: it is meant, however far from the one before.
    """

    base: str
    quote: str
    rate: str
    rate_date: date
    source: str
    confirmed: bool = False


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
            RateImplausibleError: It is far from the one before it, and not confirmed.
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
                lambda: render((self._store(tx, keyed.caller, ask, rate), rate)),
            )
        if not answer.replayed:
            announce(self.requeue, [rate_cause(ask.base, ask.quote)])
        return answer

    def _store(self, tx: Tx, caller: Caller, ask: RateAsk, rate: Rate) -> int:
        if not ask.confirmed:
            _compare(tx, ask, rate)
        rate_id = rates.add(tx, rate)
        changes.add(tx, caller, rate_added(rate_id, rate, confirmed=ask.confirmed))
        return rate_id

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


def _compare(tx: Tx, ask: RateAsk, rate: Rate) -> None:
    """Insist that a rate is near the one before it, however long ago; else near the one after it.

    Feeds rest for longer than a rate is fresh, over holidays, and positions keep what they have.
    """
    before = rates.nearest(tx, (ask.base, ask.quote), ask.rate_date)
    if before is None:
        return
    worth = before.rate if before.base == ask.base else 1 / before.rate
    if not worth / MOST_TIMES <= rate.rate <= worth * MOST_TIMES:
        raise RateImplausibleError(
            f"is more than {MOST_TIMES} times off the {before.base}/{before.quote}"
            f" {before.rate:f} of {before.rate_date}: with `confirmed` it is taken as it is",
            "rate",
        )


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
