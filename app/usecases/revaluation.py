"""Positions in other currencies follow the day's rate, whether anybody touches them or not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from app.domain.accounts import Account, Entry, revaluation_ref, revalue
from app.domain.groups import RateFinder
from app.domain.money import Rate
from app.domain.rates import find_rate
from app.domain.segments import Segment
from app.store import accounts, rates, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.portions import LOCK_TIMEOUT_MS, Cursor, Portion

Mark = tuple[tuple[date, ...], tuple[int, int]]
"""Which business dates it is, and which rates there are: the same mark values the same."""


@dataclass(slots=True)
class _Last:
    """The last whole pass: its mark, and how many accounts it had to leave."""

    mark: Mark | None = None
    left: int = 0


@dataclass(frozen=True, slots=True)
class RevaluePositions:
    """Value foreign positions by the newest admissible rates, at most `most` accounts at once.

    Business dates follow the database's clock. A pass over all accounts runs when a business date
    or a rate is new, and once after the start; any number may run at the same time, as who comes
    second finds nothing to change.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment
    last: _Last = field(default_factory=_Last)

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Revalue the next accounts by id; one that lacks a rate keeps the one that values it.

        Raises:
            BusyError: An account or the database was out of reach; nothing was changed.

        """
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at, known = self.clock(tx), segments.every(tx)
            today = {one.segment_id: business_date(one, at) for one in known}
            begin = (0, _mark(tx, today), 0)
            if after is None and begin[1] == self.last.mark:
                return Portion(0, left=self.last.left)
            account_id, mark, left = after or begin
            held = accounts.with_foreign(tx, account_id, self.most)
            finders = _finders(tx, held, today)
            moving = [one for one in held if _valued(one, finders) is not one]
            _revalue(tx, moving, (at, known), finders)
        short = sum(_lacks(one, finders) for one in held)
        if len(held) == self.most:
            return Portion(len(moving), (held[-1].account_id, mark, left + short), short)
        self.last.mark, self.last.left = mark, left + short
        return Portion(len(moving), left=short)


def _mark(tx: Tx, today: Mapping[str, date]) -> Mark:
    days = [today[name] for name in sorted(today)]
    newest = rates.mark(tx, min(days), max(days)) if days else (0, 0)
    return tuple(days), newest


def _finders(tx: Tx, held: Iterable[Account], today: Mapping[str, date]) -> dict[str, RateFinder]:
    """Read the rates of each business date once; returns how each segment finds its own."""
    currencies = {code for one in held for code in (one.currency, *one.foreign)}
    known = {day: rates.recent(tx, currencies, day) for day in {*today.values()}}
    return {name: _finder(known[day], day) for name, day in today.items()}


def _finder(known: Sequence[Rate], day: date) -> RateFinder:
    def find(source: str, target: str) -> Rate | None:
        return find_rate(known, source, target, day)

    return find


def _valued(account: Account, finders: Mapping[str, RateFinder]) -> Account:
    find = finders[account.segment_id]
    newer = {code: find(code, account.currency) for code in account.foreign}
    return revalue(account, {code: rate for code, rate in newer.items() if rate})


def _lacks(account: Account, finders: Mapping[str, RateFinder]) -> bool:
    find = finders[account.segment_id]
    return any(find(code, account.currency) is None for code in account.foreign)


def _revalue(
    tx: Tx,
    moving: Sequence[Account],
    when: tuple[datetime, Sequence[Segment]],
    finders: Mapping[str, RateFinder],
) -> None:
    """Lock accounts that were read, and value what they hold by then."""
    if not moving:
        return
    at, known = when
    books = Books.open(tx, [one.account_id for one in moving], at)
    books.settle_due(known)
    for key in sorted(books.pool):
        before = books.pool[key]
        after = _valued(before, finders)
        if after is not before:
            books.post(Entry(after, "FX_REVALUATION", revaluation_ref(before, after)))
    books.close()
