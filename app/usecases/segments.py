"""Segments: put, read, list."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.changes import segment_change
from app.domain.errors import CurrencyFixedError, FieldError, VersionStaleError
from app.domain.segments import Mode, Segment
from app.store import changes, groups, segments
from app.store.database import Database, Tx
from app.usecases.books import Books
from app.usecases.currencies import kept_in
from app.usecases.dates import time_zones
from app.usecases.identifiers import check_currency

_HALF_A_YEAR: Final = timedelta(days=182)

_CHUNK: Final = 2000
"""Accounts written at once when a segment's currency changes."""


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """What a PUT says: every field replaces."""

    name: str
    currency: str = "CNY"
    time_zone: str = "Asia/Shanghai"
    mode: Mode = "ENFORCE"
    four_eyes: bool = False
    credit_horizon_days: int | None = None
    provisional_haircut_percent: int = 100


@dataclass(frozen=True, slots=True)
class ReadSegments:
    """Read one segment, or all within sight."""

    database: Database

    def __call__(self, caller: Caller, segment_id: str) -> Segment:
        """Return one.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        caller.visit(segment_id)
        with self.database.read() as tx:
            return segments.read(tx, segment_id)

    def every(self, caller: Caller) -> list[Segment]:
        """Return all within sight, by id."""
        with self.database.read() as tx:
            return [one for one in segments.every(tx) if caller.sees(one.segment_id)]


@dataclass(frozen=True, slots=True)
class PutSegment:
    """Make a segment or replace its fields; accounts without a currency of their own follow."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self,
        caller: Caller,
        segment_id: str,
        change: SegmentChange,
        expected: Collection[int] | None = None,
    ) -> tuple[Segment, bool]:
        """Return the segment and whether it is new; a PUT that changes nothing keeps its version.

        `expected` are the versions the caller may have read (`If-Match`); None: any, even none.

        Raises:
            SegmentUnknownError: It lies outside what the caller may see.
            FieldError: A field breaks a rule; says which.
            CurrencyFixedError: Something is open in the segment's currency.
            VersionStaleError: It has none of the expected versions.
            BusyError: Somebody else changes it, or its accounts are busy.

        """
        caller.visit(segment_id)
        check_currency(change.currency, "currency")
        if change.time_zone not in time_zones():
            raise FieldError(f"{change.time_zone!r} is not an IANA time zone", "time_zone")
        with self.database.begin() as tx:
            new = _changed(Segment(segment_id, change.name), change)
            created = segments.create(tx, new)
            before = segments.lock(tx, segment_id)
            if expected is not None and (created or before.version not in expected):
                raise VersionStaleError("the segment was changed since it was read", "If-Match")
            if created or change.time_zone != before.time_zone:
                _need_zone(tx, change.time_zone, self.now())
            after = _changed(before, change)
            if after != before:
                if after.currency != before.currency:
                    _follow(tx, after, self.now())
                after = replace(after, version=before.version + 1)
                segments.write(tx, after)
            changes.add(tx, caller, segment_change(None if created else before, after))
        return after, created


def _need_zone(tx: Tx, zone: str, at: datetime) -> None:
    """Insist that the database knows a zone, and reckons as we do, in winter and in summer.

    Statements over all segments use it, and an unknown one would stop them in every segment. What
    it takes for an offset, as it does CET, would begin days an hour apart from ours.
    """
    if not segments.knows_zone(tx, zone):
        raise FieldError(f"{zone!r} is a time zone that the database does not know", "time_zone")
    for moment in (at, at + _HALF_A_YEAR):
        shown = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if segments.local_time(tx, zone, moment) != shown:
            what = f"{zone!r} is another time to the database: name a place, as in 'Europe/Berlin'"
            raise FieldError(what, "time_zone")


def _changed(held: Segment, change: SegmentChange) -> Segment:
    return replace(
        held,
        name=change.name,
        currency=change.currency,
        time_zone=change.time_zone,
        mode=change.mode,
        four_eyes=change.four_eyes,
        credit_horizon_days=change.credit_horizon_days,
        provisional_haircut_percent=change.provisional_haircut_percent,
    )


def _follow(tx: Tx, segment: Segment, at: datetime) -> None:
    """Keep accounts in the new currency; new ones wait, as they share the segment's lock."""
    ids = groups.in_segment_currency(tx, segment.segment_id)
    for start in range(0, len(ids), _CHUNK):
        _follow_some(tx, ids[start : start + _CHUNK], segment.currency, at)


def _follow_some(tx: Tx, ids: Sequence[int], currency: str, at: datetime) -> None:
    books = Books.open(tx, ids, at)
    still = {*groups.in_segment_currency(tx, books.pool[ids[0]].segment_id)}
    for held in [books.pool[key] for key in ids if key in still]:
        _need_closed(held)
        books.post(kept_in(held, currency))
    books.close()


def _need_closed(held: Account) -> None:
    if held.use or held.foreign:
        raise CurrencyFixedError(
            f"something is open in {held.currency} for {held.customer_id!r}", "currency"
        )
