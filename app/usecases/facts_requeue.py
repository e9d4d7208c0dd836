"""Facts that wait for what is there by now: background work lets them go.

Whoever brings a customer or a rate lets go what waits for it, but may find it locked, or end
before; and a rate for tomorrow is one only tomorrow, when nobody brings it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.domain.errors import BusyError
from app.store.database import Database, Tx, moment
from app.store.facts_causes import Room, next_causes, next_rows
from app.store.facts_inbox import Waiting, use_indexes
from app.store.ids import IdSource
from app.usecases.causes import there
from app.usecases.facts import ApplyFacts
from app.usecases.portions import LOCK_TIMEOUT_MS, MOST_PAYERS, Cursor, Portion, one_by_one

_CAUSES: Final = 500
"""How many causes a portion looks for; more than one, as the last is where the next begins."""

_PAST: Final = 2**63 - 1
"""After all rows of a cause."""


@dataclass(frozen=True, slots=True)
class RequeueFacts:
    """Apply facts whose customer is known, or whose rate is fresh, by now: `most` at once.

    Business dates follow the database's clock. Any number may run at the same time: who comes
    second to a row finds that it waits no more.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment
    new_id: Callable[[], str] = field(default_factory=IdSource)

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Apply the next rows by cause and age; `after` is the last one seen.

        Each is tried once in a pass. Where an account is out of reach, each row is done alone.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        with self.database.read() as tx:
            use_indexes(tx)
            at = self.clock(tx)
            rows, next_one = self._find(tx, at, after or ("", 0))
        apply = ApplyFacts(self.database, lambda: at, self.new_id, lock_timeout_ms=LOCK_TIMEOUT_MS)
        if not rows:
            return Portion(0, next_one)
        try:
            return Portion(apply.again(rows), next_one)
        except BusyError:
            some = rows[:MOST_PAYERS]
        done, busy = one_by_one(range(len(some)), lambda place: apply.again([some[place]]))
        if len(some) < len(rows):
            next_one = _place(some[-1])
        return Portion(done, next_one, len(busy))

    def _find(self, tx: Tx, at: datetime, after: Cursor) -> tuple[list[Waiting], Cursor | None]:
        """Read the next rows that can go, and where to go on."""
        first, last_id = after
        causes = next_causes(tx, first, _CAUSES)
        found = there(tx, causes, at) if causes else {}
        rows: list[Waiting] = []
        room = Room(self.most)
        for cause in causes:
            if cause in found:
                since = last_id if cause == first else 0
                next_ones, room = next_rows(tx, cause, found[cause], since, room)
                rows += next_ones
                if not room.rows or not room.stored:
                    return rows, _place(rows[-1])
        return rows, (causes[-1], _PAST) if len(causes) == _CAUSES else None


def _place(row: Waiting) -> Cursor:
    return row.cause, row.quarantine_id
