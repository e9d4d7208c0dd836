"""A portion of customers is scored in one transaction or, where that cannot be, in halves."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, Self

from app.domain.errors import BusyError
from app.scoring.observing import ObservingError
from app.store import scores
from app.store.database import Database
from app.usecases.score_raters import Rater
from app.usecases.scoring import CHUNK, score_customers

SMALLEST: Final = 1
"""A portion that is not halved any more: who is in it cannot be scored."""

MOST_IN_A_ROW: Final = 10
"""After so many of the smallest portions that fail, it is not the customers: nobody can be."""

FIRST: Final = 5
"""So many of those who could not be scored are named."""

PAUSE_S: Final = 1.1
"""What predicts may have crashed on a portion; so much later it can be started again."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How many customers were scored and how many could not be; of these the first, and why."""

    done: int = 0
    failed: int = 0
    first: tuple[str, ...] = ()
    reason: str = ""

    def __add__(self, other: Self) -> "Scored":
        """Put two portions together."""
        first = tuple(sorted({*self.first, *other.first})[:FIRST])
        done, failed = self.done + other.done, self.failed + other.failed
        return Scored(done, failed, first, other.reason or self.reason)

    def rest(self) -> str:
        """Say in one line who could not be scored, and why."""
        first = ", ".join(self.first) + (", …" if self.failed > len(self.first) else "")
        return f"{self.failed} could not be scored ({first}): {self.reason}"


@dataclass(frozen=True, slots=True)
class ScorePortion:
    """Score some customers and say what became of them. Thread-safe."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater
    smallest: int = SMALLEST
    pause_s: float = PAUSE_S
    most_in_a_row: int = MOST_IN_A_ROW
    alone: Lock = field(default_factory=Lock)

    def __call__(self, customer_ids: Sequence[str]) -> Scored:
        """Score one portion, in one transaction if that can be, and say what became of it.

        What was too much at once, for a model or beside who held a lock, is tried again in halves,
        after a pause: a process that crashed is back by then, and a million others need not fail.

        Raises:
            BusyError: Many in a row could not be scored: the database or the model is out of reach.

        """
        try:
            return self._at_once(customer_ids)
        except BusyError as trouble:
            with self.alone:  # who looks for the one that crashes it leaves others no process
                self._rest(trouble)
                return self._in_halves(customer_ids)

    def _in_halves(self, customer_ids: Sequence[str]) -> Scored:
        found, in_a_row = Scored(), 0
        waiting = [customer_ids]
        while waiting:
            ids = waiting.pop()
            is_last = len(ids) <= self.smallest
            try:
                found += self._twice(ids) if is_last else self._at_once(ids)
                in_a_row = 0
            except BusyError as trouble:
                self._rest(trouble)
                if not is_last:
                    half = len(ids) // 2
                    waiting += ids[half:], ids[:half]
                    continue
                found += _failed(ids, trouble)
                # who says that it cannot compute is there: a family of a hundred sees one's data
                in_a_row = 0 if isinstance(trouble, ObservingError) else in_a_row + 1
                if in_a_row == self.most_in_a_row:
                    raise
        return found

    def _twice(self, ids: Sequence[str]) -> Scored:
        """Try again before anything is said of these: it may have crashed on another's portion."""
        try:
            return self._at_once(ids)
        except ObservingError:
            raise
        except BusyError as trouble:
            self._rest(trouble)
            return self._at_once(ids)

    def _at_once(self, ids: Sequence[str]) -> Scored:
        with self.database.begin() as tx:
            return Scored(score_customers(tx, ids, self.now(), self.rater))

    def _rest(self, trouble: BusyError) -> None:
        if not isinstance(trouble, ObservingError):
            time.sleep(self.pause_s)


def _failed(ids: Sequence[str], trouble: BusyError) -> Scored:
    return Scored(0, len(ids), tuple(ids[:FIRST]), trouble.detail)


@dataclass(frozen=True, slots=True)
class RescoreTouched:
    """Score the customers of accounts that much was booked on; who cannot be scored stays due."""

    portion: ScorePortion

    def __call__(self, account_ids: Collection[int], told: Callable[[int, int], None]) -> Scored:
        """Score them and those of their groups; `told` hears how many were tried, of how many.

        Raises:
            BusyError: Many in a row could not be scored; what was committed stays.

        """
        with self.portion.database.read() as tx:
            ids = scores.of_accounts(tx, account_ids)
        found = Scored()
        for begin in range(0, len(ids), CHUNK):
            found += self.portion(ids[begin : begin + CHUNK])
            told(min(begin + CHUNK, len(ids)), len(ids))
        return found
