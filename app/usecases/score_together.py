"""Customers who are asked to be scored at the same time are scored in one transaction.

Natural batching for threads: whoever comes while others are being scored waits for its turn, and
the first whose turn it is scores everybody who waits. Features of eight customers cost little more
than of one; no timer, no thread of its own.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.domain.errors import BusyError, CreditError
from app.domain.scores import StoredScore
from app.store.database import Database
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_reads import read_score
from app.usecases.scoring import CHUNK, score_customers

PATIENCE_S: Final = 10.0
"""The longest wait for one's turn."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """Somebody who waits; `found` None: merged into another meanwhile.

    `alone`: it was in a batch that went wrong, and is scored by itself.
    """

    customer_id: str
    done: bool = False
    alone: bool = False
    found: StoredScore | None = None


@dataclass(slots=True)
class ScoreTogether:
    """Score a customer now, together with whoever asks at the same time."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)
    _pending: list[_Waiting] = field(default_factory=list)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, customer_id: str) -> StoredScore | None:
        """Return the score stored for a customer; None: it was merged into another meanwhile.

        Raises:
            BusyError: The database or the model was out of reach, somebody else scores the
                customer, or too many wait.

        """
        own = _Waiting(customer_id)
        with self._changing:
            self._pending.append(own)
        if not self._turn.acquire(timeout=PATIENCE_S):
            with self._changing:
                if own in self._pending:
                    self._pending.remove(own)
            raise BusyError("too many customers are being scored; try again")
        try:
            if not own.done:
                self._serve(own)
        finally:
            self._turn.release()
        return own.found

    def _serve(self, own: _Waiting) -> None:
        """Score who waits with `own`; where that goes wrong, `own` by itself, others in turn."""
        items = self._take(own)
        try:
            try:
                self._settle(items)
            except CreditError:
                if len(items) == 1:
                    raise
                self._settle([own])
        finally:
            self._put_back([one for one in items if one is not own and not one.done])

    def _take(self, own: _Waiting) -> list[_Waiting]:
        with self._changing:
            self._pending.remove(own)
            others = [] if own.alone else [one for one in self._pending if not one.alone]
            items = [own, *others[: CHUNK - 1]]
            self._pending = [one for one in self._pending if one not in items]
        return items

    def _put_back(self, items: list[_Waiting]) -> None:
        with self._changing:
            for one in items:
                one.alone = True
                self._pending.append(one)

    def _settle(self, items: list[_Waiting]) -> None:
        at = self.now()
        with self.database.begin() as tx:
            score_customers(tx, {one.customer_id for one in items}, at, self.rater)
            found = [read_score(tx, one.customer_id, at) for one in items]
        for one, score in zip(items, found, strict=True):
            one.found, one.done = score, True
