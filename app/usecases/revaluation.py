"""Positions in other currencies follow the day's rate, whether anybody touches them or not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from app.domain.accounts import Account, revalued
from app.domain.errors import BusyError
from app.domain.money import Rate, RateFinder
from app.domain.rates import find_rate
from app.domain.segments import Segment
from app.store import accounts, rates, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.portions import LOCK_TIMEOUT_MS, MOST_PAYERS, Cursor, Portion, one_by_one

Mark = tuple[tuple[date, ...], tuple[int, int]]
"""Which business dates it is, and which rates there are: the same mark values the same."""

_When = tuple[datetime, Sequence[Segment]]
"""The moment of a look, and the segments as they are then."""


@dataclass(slots=True)
class _Last:
    """The last whole pass: its mark, and how many accounts it had to leave for want of a rate."""

    mark: Mark | None = None
    left: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a pass is: behind which account, for which mark, and what it left until there."""

    account_id: int
    mark: Mark
    short: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """The next accounts as they were read, not locked, and by what they are valued."""

    place: _Place
    when: _When
    held: Sequence[Account]
    finders: Mapping[str, RateFinder]

    def moving(self) -> list[int]:
        return [
            one.account_id for one in self.held if revalued(one, self.finders[one.segment_id])[1]
        ]


@dataclass(frozen=True, slots=True)
class RevaluePositions:
    """Value foreign positions by the newest admissible rates, at most `most` accounts at once.

    Business dates follow the database's clock. A pass over all accounts runs when a business date
    or a rate is new, after one that found accounts busy, and once after the start; any number may
    run at the same time, as who comes second finds nothing to change.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment
    last: _Last = field(default_factory=_Last)

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Revalue the next accounts by id; one that lacks a rate keeps the one that values it.

        Where one of them is out of reach, each is done alone.

        Raises:
            BusyError: The database was out of reach and nothing was changed; or, at the end of a
                pass, some accounts were.

        """
        try:
            with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
                look = self._look(tx, after, self.most)
                if look is None:
                    return Portion(0, left=self.last.left)
                moving = look.moving()
                _revalue(tx, moving, look.when)
        except BusyError:
            return self._one_by_one(after)
        return self._told(look, self.most, len(moving), 0)

    def _look(self, tx: Tx, after: Cursor | None, most: int) -> _Look | None:
        """Read the next accounts; None where nothing is new since the last whole pass."""
        use_indexes(tx)
        at, known, today = self._now(tx)
        place = _Place(*after) if after else _Place(0, _mark(tx, today))
        if after is None and place.mark == self.last.mark:
            return None
        held = accounts.with_foreign(tx, place.account_id, most)
        return _Look(place, (at, known), held, _finders(tx, held, today))

    def _one_by_one(self, after: Cursor | None) -> Portion:
        with self.database.begin() as tx:
            look = self._look(tx, after, MOST_PAYERS)
        if look is None:
            return Portion(0, left=self.last.left)
        done, busy = one_by_one(look.moving(), self._alone)
        return self._told(look, MOST_PAYERS, done, len(busy))

    def _alone(self, account_id: int) -> int:
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at, known, _ = self._now(tx)
            _revalue(tx, [account_id], (at, known))
        return 1

    def _now(self, tx: Tx) -> tuple[datetime, Sequence[Segment], dict[str, date]]:
        at, known = self.clock(tx), segments.every(tx)
        return at, known, {one.segment_id: business_date(one, at) for one in known}

    def _told(self, look: _Look, most: int, done: int, busy: int) -> Portion:
        """Say how far it is.

        Raises:
            BusyError: The pass is over, and has found accounts busy: it is to be tried again soon.

        """
        place, held = look.place, look.held
        short = sum(_lacks(one, look.finders) for one in held)
        if len(held) == most or busy:
            then = (held[-1].account_id, place.mark, place.short + short, place.busy + busy)
            return Portion(done, then, short + busy)
        if place.busy:
            raise BusyError(f"{place.busy} accounts were out of reach, the others are valued")
        self.last.mark, self.last.left = place.mark, place.short + short
        return Portion(done, left=short)


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


def _lacks(account: Account, finders: Mapping[str, RateFinder]) -> bool:
    find = finders[account.segment_id]
    return any(find(code, account.currency) is None for code in account.foreign)


def _revalue(tx: Tx, moving: Sequence[int], when: _When) -> None:
    """Lock accounts that were read, and value what they hold by then.

    By the rates that are there once they are locked: who held them may have valued by a newer one.
    """
    if not moving:
        return
    at, known = when
    books = Books.open(tx, moving, at)
    books.settle_due(known)
    today = {one.segment_id: business_date(one, at) for one in known}
    finders = _finders(tx, books.pool.values(), today)
    for key in sorted(books.pool):
        held = books.pool[key]
        for entry in revalued(held, finders[held.segment_id])[1]:
            books.post(entry)
    books.close()
