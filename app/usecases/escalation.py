"""Order holds that wait too long: each is escalated to the next role, once a step."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from app.domain.authority import Policy
from app.domain.holds import SYSTEM, HoldEvent
from app.store import authority, holds, holds_escalation
from app.store.database import Database, Tx, moment
from app.store.holds_escalation import Waiting
from app.telemetry import ORDER_HOLDS_ESCALATED
from app.usecases.portions import LOCK_TIMEOUT_MS, Cursor, Portion

_ACTION: Final = "escalate"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EscalateHolds:
    """Escalate open holds of orders by their segments' policies, the oldest first.

    Any number may run at the same time: each takes the orders that nobody else works on. A hold
    that is found late takes the highest step that is due, in one go.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Escalate at most `most` holds, those behind `after`, the last one that this pass saw.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        place = (after[0], after[1]) if after else None
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            at = self.clock(tx)
            due, seen = holds_escalation.lock_due(tx, at, place, self.most)
            policies = {name: authority.policy(tx, name) for name in holds_escalation.names(due)}
            done = sum(_escalate(tx, one, policies[one.segment_id], at) for one in due)
        if done:
            ORDER_HOLDS_ESCALATED.inc(done)
            _log.warning("holds_escalated", holds=done)
        return Portion(done, seen)


def _escalate(tx: Tx, waiting: Waiting, policy: Policy, at: datetime) -> bool:
    level = policy.step_due(waiting.opened_at, waiting.level, at)
    if level is None:
        return False
    role = policy.escalation[level - 1].role
    if not holds_escalation.escalate(tx, waiting, (level, role), at):
        return False
    data = {"role": role, "level": level, "automatic": True}
    holds.add_event(
        tx,
        HoldEvent(waiting.hold_id, _ACTION, SYSTEM.client, SYSTEM.actor, None, None, data, at),
    )
    return True
