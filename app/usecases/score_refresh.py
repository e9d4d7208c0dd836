"""Scores follow what happens: the list of due ones is worked off, and a night lists everybody."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from app.domain.errors import BusyError
from app.domain.scores_refresh import Urgency
from app.domain.segments import Segment
from app.scoring.observing import ObservingError
from app.store import overrides, score_due, score_nights, segments
from app.store.database import Database, Tx, moment
from app.store.score_nights import Night
from app.telemetry.scores import SCORE_DUE_SECONDS, SCORE_NIGHT_TIMESTAMP, SCORES_DUE
from app.usecases.portions import Cursor, Portion
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_reads import COOLDOWN
from app.usecases.score_suspects import Suspects
from app.usecases.scoring import CHUNK, score_customers

_log = structlog.get_logger(__name__)

LISTED_AHEAD: Final = 1_000
"""So many customers of a night are on the list at most: what happens meanwhile goes first anyway,
but a list as long as the portfolio would be read again and again."""

PAUSE_S: Final = 1.1
"""What computes may have crashed on a batch; so much later it can be started again."""

MOST_IN_A_ROW: Final = 3
"""After so many customers that cannot be scored, it is not the customers: the model is away."""

_COUNTED: Final = 100_000
_LOCK_TIMEOUT_MS: Final = 2_000
"""Somebody else who scores the same customer; nobody but scorers waits for such a lock."""


@dataclass(frozen=True, slots=True)
class RefreshScores:
    """Score whose score is due, adverse first, `CHUNK` at once; overrides lapse on the way.

    Any number may run at the same time: each takes what nobody else has taken.
    """

    database: Database
    rater: Rater = field(default_factory=RateByCard)
    cooldown: timedelta = COOLDOWN
    clock: Callable[[Tx], datetime] = moment
    pause_s: float = PAUSE_S
    suspects: Suspects = field(default_factory=Suspects)

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Do the next; `after` says only that this is not the first portion.

        Who cannot be scored stays due, behind the others, and is `left`.

        Raises:
            BusyError: The database, a lock or the model was out of reach, or of nobody who was
                taken could features be computed.

        """
        del after  # what is done is on the list no more
        self._watch()
        with self._begin() as tx:
            at = self.clock(tx)
            score_due.add(tx, overrides.lapse(tx, at, CHUNK), Urgency.ADVERSE, at)
        ids: list[str] = []
        try:
            with self._begin() as tx:
                at = self.clock(tx)
                ids += self._take(tx, at)
                done = score_customers(tx, ids, at, self.rater) if ids else 0
        except BusyError as trouble:
            if len(ids) < 2:  # noqa: PLR2004 - it is this customer's
                self._put_back(ids)
                raise
            return self._each(ids, trouble)
        self.suspects.clear(ids)
        return Portion(done, () if ids else None)

    def _begin(self) -> AbstractContextManager[Tx]:
        return self.database.begin(lock_timeout_ms=_LOCK_TIMEOUT_MS)

    def _take(self, tx: Tx, at: datetime) -> list[str]:
        """Take suspects only where nobody else waits: however many they are, they delay nobody."""
        ids = score_due.take(tx, at, self.cooldown, CHUNK, self.suspects.ids)
        if ids or not self.suspects.are_due(at):
            return ids
        return score_due.take_those(tx, at, self.cooldown, list(self.suspects.ids)[:CHUNK])

    def _each(self, ids: Sequence[str], trouble: BusyError | None) -> Portion:
        """Score customers one by one, so that one that crashes what computes keeps nobody waiting.

        Raises:
            BusyError: Several in a row: the model is away, or the database; or none was scored.

        """
        failed: list[str] = []
        done = in_a_row = 0
        for one in ids:
            if trouble is not None and not isinstance(trouble, ObservingError):
                time.sleep(self.pause_s)
            try:
                with self._begin() as tx:
                    done += score_customers(tx, [one], self.clock(tx), self.rater)
                trouble, in_a_row = None, 0
                self.suspects.clear([one])
            except BusyError as again:
                trouble, failed = again, [*failed, one]
                # who says that it cannot compute is there
                in_a_row = 0 if isinstance(again, ObservingError) else in_a_row + 1
                self._put_back([one])
                if in_a_row == MOST_IN_A_ROW:
                    break
        _log.warning("customers_not_scored", customers=len(failed), scored=done, first=failed[:3])
        if trouble is not None and (in_a_row == MOST_IN_A_ROW or len(failed) == len(ids)):
            raise trouble
        return Portion(done, (), len(failed))

    def _put_back(self, ids: Sequence[str]) -> None:
        for one in ids:
            with self._begin() as tx:
                score_due.put_back(tx, one)
                self.suspects.add(one, self.clock(tx))

    def _watch(self) -> None:
        with self.database.read() as tx:
            queue, at = score_due.queue(tx, Urgency.EVENT, _COUNTED), self.clock(tx)
        waited_s = 0.0 if queue.oldest is None else (at - queue.oldest).total_seconds()
        SCORES_DUE.set(queue.rows)
        SCORE_DUE_SECONDS.set(max(0.0, waited_s))


@dataclass(frozen=True, slots=True)
class ListNight:
    """Put every customer on the list once a business date, after an hour of the segment's night.

    How far it has come is kept, so that it goes on where it stopped, in whichever process. A night
    in which nobody worked is made up for later that day.
    """

    database: Database
    hour: int
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """List the next customers of a segment whose night it is, unless enough are on the list.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        del after  # kept in the database
        with self.database.begin() as tx:
            at = self.clock(tx)
            room = LISTED_AHEAD - score_due.night(tx, LISTED_AHEAD)
            found = self._take(tx, at) if room > 0 else None
            if found is None:
                return Portion(0)
            most = min(room, self.most)
            count, last = score_nights.list_next(tx, found, most, at)
            done_at = at if count < most else None
            score_nights.move(tx, replace(found, after=last, done_at=done_at), count, at)
        if done_at is not None:
            SCORE_NIGHT_TIMESTAMP.set(at.timestamp())
        return Portion(count, ())

    def _take(self, tx: Tx, at: datetime) -> Night | None:
        known = segments.every(tx)
        nights: dict[date, list[str]] = defaultdict(list)
        for one in known:
            nights[_night(one, at, self.hour)].append(one.segment_id)
        for day, ids in sorted(nights.items()):
            score_nights.make(tx, ids, day, at)
            found = score_nights.lock(tx, ids, day)
            if found is not None:
                return found if found.night == day else replace(found, night=day, after=None)
        return None


def _night(segment: Segment, at: datetime, hour: int) -> date:
    """Name the night that has come last: that of today from the hour on, else yesterday's."""
    local = at.astimezone(ZoneInfo(segment.time_zone))
    return local.date() if local.hour >= hour else local.date() - timedelta(days=1)
