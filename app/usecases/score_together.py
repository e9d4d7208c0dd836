"""Customers who are asked to be scored at the same time are scored in one transaction.

Natural batching: who comes while others are being scored waits, and all who wait are scored next.
Features of fifty customers cost little more than of one, and so do statements and the commit.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import BusyError
from app.domain.scores import StoredScore
from app.scoring.observing import ObservingError
from app.store.database import Database
from app.telemetry.scores import SCORE_BATCH_SIZE
from app.usecases.queues import FairQueue
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_reads import COOLDOWN, find_customers, read_scores, unknown
from app.usecases.scoring import CHUNK, score_customers

PATIENCE_S: Final = 10.0
"""The longest wait for one's turn."""

MOST_WAITING: Final = 256
"""So many questions wait at once, over all clients; at some 5 ms each, a second or two of work."""

_FULL: Final = "too many customers wait to be scored; try again"

LINGER_S: Final = 0.005
"""The longest wait for those who were answered together a moment ago and tend to ask again.

A batch costs five times that, of one as of many, and the first to come back would have it alone.
Only after a batch of several, and only until as many are there: who is alone never waits.
"""

PAUSE_S: Final = 1.1
"""What computes may have crashed on a batch; so much later it can be started again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """Who is to be scored, who asks, and until when of the monotonic clock it may begin."""

    caller: Caller
    ref: str
    until: float
    answer: "Future[StoredScore]" = field(default_factory=Future)


@dataclass(slots=True)
class ScoreTogether:
    """Score customers now, each together with whoever is asked for at the same time.

    One batch at a time, in a thread that ends when nobody waits. Who gives up by cancelling the
    future is left out if that comes in time, and harms nobody if not.
    """

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)
    cooldown: timedelta = COOLDOWN
    patience_s: float = PATIENCE_S
    linger_s: float = LINGER_S
    pause_s: float = PAUSE_S
    _queue: FairQueue[_Ask] = field(default_factory=lambda: FairQueue(MOST_WAITING))
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, "scoring-together")
    )
    _working: bool = False

    def __call__(self, caller: Caller, ref: str) -> "Future[StoredScore]":
        """Ask for the customer that `ref`, an id or alias, names; the future raises its refusal.

        It raises CustomerUnknownError where nobody has this id or it lies out of sight, BusyError
        where the database or the model was out of reach or somebody else scores the customer.

        Raises:
            BusyError: Too many wait, and nobody has more of them than the caller's client.

        """
        ask = _Ask(caller, ref, time.monotonic() + self.patience_s)
        with self._arrived:
            if not self._queue.has_room(caller.client):
                raise BusyError(_FULL)
            away = self._queue.put(caller.client, ask)
            self._arrived.notify()
            if not self._working:
                self._threads.submit(self._work)
                self._working = True  # the worker cannot end before this lock is free
        if away is not None and away.answer.set_running_or_notify_cancel():
            away.answer.set_exception(BusyError(_FULL))  # the newest of whoever has the most
        return ask.answer

    def _work(self) -> None:
        """Score batch after batch until nobody waits."""
        batch = self._take(0)
        while batch:
            asks = [one for one in batch if one.answer.set_running_or_notify_cancel()]
            asks = [one for one in asks if not _refused_late(one)]
            if asks:
                SCORE_BATCH_SIZE.observe(len(asks))
                self._answer(asks)
            batch = self._take(len(batch))

    def _take(self, before: int) -> list[_Ask]:
        """Take who waits; after a batch of `before` who are several, let as many come first."""
        with self._arrived:
            if before > 1:
                self._arrived.wait_for(lambda: len(self._queue) >= before, self.linger_s)
            taken = self._queue.take(CHUNK)
            self._working = bool(taken)
            return taken

    def _answer(self, asks: Sequence[_Ask]) -> None:
        """Score asks together; where that goes wrong, each by itself, so that it is one's own.

        What went wrong may have ended a process that computes, hence the pauses.
        """
        trouble = self._attempt(asks)
        for ask in () if trouble is None else asks:
            if len(asks) > 1:
                trouble = self._by_itself(ask, paused=_may_have_crashed(trouble))
            if trouble is not None:
                ask.answer.set_exception(trouble)

    def _by_itself(self, ask: _Ask, *, paused: bool) -> BaseException | None:
        """Score one of a batch that went wrong, unless it has waited too long already."""
        late = BusyError("scoring takes too long; try again")
        if time.monotonic() > ask.until:
            return late
        if paused:
            time.sleep(self.pause_s)
        return late if time.monotonic() > ask.until else self._attempt([ask])

    def _attempt(self, asks: Sequence[_Ask]) -> BaseException | None:
        """Score asks in one transaction and answer them, or say what went wrong: a bug, too."""
        try:
            trying = self._threads.submit(self._score, asks)
        except RuntimeError as error:  # no thread to be had
            return error
        trouble = trying.exception()
        for ask, found in zip(asks, () if trouble else trying.result(), strict=trouble is None):
            if found is None:
                ask.answer.set_exception(unknown(ask.ref))
            else:
                ask.answer.set_result(found)
        return trouble

    def _score(self, asks: Sequence[_Ask]) -> list[StoredScore | None]:
        at = self.now()
        with self.database.begin() as tx:
            ids = find_customers(tx, [(one.caller, one.ref) for one in asks])
            known = {one for one in ids if one is not None}
            if known:
                score_customers(tx, known, at, self.rater)
            scores = read_scores(tx, known, at, self.cooldown)
        return [None if one is None else scores.get(one) for one in ids]


def _may_have_crashed(trouble: BaseException | None) -> bool:
    """Tell whether what computes may be starting again: who says that it cannot is there."""
    return isinstance(trouble, BusyError) and not isinstance(trouble, ObservingError)


def _refused_late(ask: _Ask) -> bool:
    """Answer who has waited too long for a first attempt."""
    late = time.monotonic() > ask.until
    if late:
        ask.answer.set_exception(BusyError("scoring takes too long; try again"))
    return late
