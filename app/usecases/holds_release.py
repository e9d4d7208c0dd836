"""Automatic holds whose reasons have gone are released, within a pass or two of the change."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.store import holds_ground
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.store.holds_ground import Moved
from app.telemetry import HOLD_RELEASE_SECONDS, ORDER_HOLDS_OPEN
from app.usecases.holds_judge import Again, HoldsJudge, Verdict
from app.usecases.portions import LOCK_TIMEOUT_MS, Cursor, Portion

_KINDS: Final = ("AUTOMATIC", "FORCED", "STOP")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReleaseCleared:
    """Judge open automatic holds whose ground has moved, the oldest first, `most` at once.

    Any number may run at the same time: each takes the orders that nobody else works on. What is
    judged leaves the ground it was judged on behind; a crash before that judges it once more.
    """

    database: Database
    judge: HoldsJudge
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Judge the next ones; `after` is the last one seen, and who waits behind a busy one.

        Raises:
            BusyError: The database was out of reach; what was released stays.

        """
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at = self.clock(tx)
            place = None if after is None else (after[0], after[1])
            found = holds_ground.moved(tx, at, place, self.most)
            changed = holds_ground.changed_at(tx, [one.hold_id for one in found]) if found else {}
            if after is None:  # however many are judged in each pass
                many = holds_ground.count_open(tx)
                for kind in _KINDS:
                    ORDER_HOLDS_OPEN.labels(kind).set(many.get(kind, 0))
        if not found:
            return Portion(0)
        waiting = set(after[2]) if after else set[int]()
        verdicts = self.judge(found, Again(), _going_on(at), waiting)
        self._remember(found, verdicts)
        released = [one for one in verdicts if one.result == "RELEASED"]
        self._tell(released, changed)
        more = len(found) == self.most
        return Portion(len(released), (*found[-1].place, waiting) if more else None)

    def _remember(self, found: Sequence[Moved], verdicts: Sequence[Verdict]) -> None:
        settled = {one.hold_id for one in verdicts if one.result not in {"RELEASED", "BUSY"}}
        grounds = {one.hold_id: one.ground for one in found if one.hold_id in settled}
        if grounds:
            with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
                use_indexes(tx)
                holds_ground.mark(tx, grounds)

    def _tell(self, released: Sequence[Verdict], changed: dict[str, datetime]) -> None:
        if not released:
            return
        with self.database.read() as tx:
            at = self.clock(tx)
        waited = [(at - changed[one.hold_id]).total_seconds() for one in released
                  if one.hold_id in changed]  # fmt: skip
        for seconds in waited:
            HOLD_RELEASE_SECONDS.observe(max(0.0, seconds))
        _log.info("holds_released", holds=len(released), slowest_s=round(max(waited, default=0), 3))


def _going_on(at: datetime) -> Callable[[], datetime]:
    """Go on from a moment of the database's clock: what expires during a pass is over."""
    began = time.monotonic()
    return lambda: at + timedelta(seconds=time.monotonic() - began)
