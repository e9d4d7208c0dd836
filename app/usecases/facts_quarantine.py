"""What a person does about facts that wait: look at them, try one again, or lay it aside."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from app.domain.callers import Caller
from app.domain.errors import BusyError, EventNotWaitingError, NotFoundError
from app.store import accounts, facts_inbox, facts_quarantine
from app.store.database import Database, Tx
from app.store.facts_inbox import Waiting
from app.store.facts_quarantine import Quarantined, QuarantineFilter
from app.telemetry import QUARANTINE_SIZE
from app.usecases.sight import need_segment

_LARGEST: Final = 2**63 - 1

_log = structlog.get_logger(__name__)


def need_waiting(tx: Tx, caller: Caller, quarantine_id: str) -> Waiting:
    """Find a row that waits, within the caller's sight.

    Raises:
        NotFoundError: There is none under this id, or it lies out of sight.
        EventNotWaitingError: It was applied or closed.

    """
    plain = quarantine_id.isascii() and quarantine_id.isdecimal() and quarantine_id[:1] != "0"
    number = int(quarantine_id) if plain else 0
    found = facts_quarantine.find(tx, number) if 0 < number <= _LARGEST else None
    if found is None or not caller.sees(found.segment_id):
        raise NotFoundError(f"no event waits under {quarantine_id[:64]!r}")
    if not found.is_open:
        raise EventNotWaitingError(f"the event {quarantine_id} was applied or closed already")
    return found.row


@dataclass(frozen=True, slots=True)
class ListQuarantine:
    """Show the facts that wait, oldest first."""

    database: Database

    def __call__(self, caller: Caller, wanted: QuarantineFilter) -> tuple[list[Quarantined], bool]:
        """Return open rows of segments within sight, fewer where large; and whether more follow.

        Raises:
            SegmentUnknownError: No such segment within sight.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            need_segment(tx, caller, wanted.segment_id)
            return facts_quarantine.listing(tx, replace(wanted, segments=caller.segments))


@dataclass(frozen=True, slots=True)
class CloseQuarantined:
    """Lay a fact aside that nobody wants any more; it stays as evidence, with who and why."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, quarantine_id: str, reason: str) -> None:
        """Close a row; its accounts wait for one fact less.

        Raises:
            NotFoundError: There is no such row within sight.
            EventNotWaitingError: It was applied or closed already.
            BusyError: The account was in use, or the row came to count on others meanwhile.

        """
        with self.database.begin() as tx:
            row = need_waiting(tx, caller, quarantine_id)
            accounts.lock(tx, row.accounts)
            locked = facts_quarantine.lock_open(tx, [row.quarantine_id])
            if row.quarantine_id not in locked:
                raise EventNotWaitingError(f"the event {quarantine_id} was applied or closed")
            if locked[row.quarantine_id] != row.accounts:
                raise BusyError("the event was looked at by somebody else; try again")
            facts_inbox.close(tx, [row.quarantine_id], "CLOSED", self.now())
            facts_quarantine.sign(tx, row.quarantine_id, _signature(caller), reason)
        publish_waiting(self.database)
        _log.info("quarantine_closed", client=caller.client, quarantine_id=quarantine_id)


def publish_waiting(database: Database) -> None:
    """Tell how many facts wait, once nothing is locked; where this cannot, `tally` does."""
    with suppress(BusyError), database.read() as tx:
        QUARANTINE_SIZE.set(facts_inbox.count_waiting(tx))


def _signature(caller: Caller) -> str:
    """Name who is authenticated, and the person that is said to stand behind it."""
    return caller.client if caller.actor is None else f"{caller.actor} by {caller.client}"
