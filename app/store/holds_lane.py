"""A lane that judges open holds again: it takes those orders that nobody else works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.store import lane_sql
from app.store.arrays import texts
from app.store.holds_ground import Moved
from app.store.lane import Lane
from app.store.lane_rows import Loaded, Want, loaded, reads

_TAKE: Final = """
SELECT o.hold_id FROM unnest(%(segments)s, %(orders)s) AS n(segment_id, order_id)
JOIN credit_order o ON o.segment_id = n.segment_id AND o.order_id = n.order_id
WHERE o.hold_kind = 'AUTOMATIC'
ORDER BY o.segment_id COLLATE "C", o.order_id COLLATE "C"
FOR NO KEY UPDATE OF o SKIP LOCKED
"""

_HELD: Final = """
SELECT h.hold_id, r.customer_id, h.ask, h.reasons, h.auto_release
FROM unnest(%(holds)s) AS n(hold_id) JOIN order_hold h ON h.hold_id = n.hold_id::uuid
JOIN customer_ref r ON r.ref = h.customer_id
WHERE h.status = 'OPEN' AND h.kind = 'AUTOMATIC'
"""
"""A statement of its own: it sees what was committed before the orders were locked."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open automatic hold as it stands under the lock of its order.

    `ask` is the question that was held, of the customer that `customer_id` is now; `reasons` are
    as told then. Fields stand as the columns of `_HELD` do.
    """

    hold_id: str
    customer_id: str
    ask: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]
    auto_release: bool | None


class HoldLane(Lane):
    """Three round trips: `take`, `meet`, and `record` as any lane."""

    async def take(self, wanted: Sequence[Moved]) -> list[Held]:
        """Begin, and lock the orders of holds, in their order; who is busy elsewhere is left out.

        Raises:
            BusyError: The database was out of reach.

        """
        orders = sorted((one.segment_id, one.order_id) for one in wanted)
        pairs = {
            "segments": texts([segment for segment, _ in orders]),
            "orders": texts([order for _, order in orders]),
        }
        ids = {"holds": texts([one.hold_id for one in wanted])}
        taken, rows = await self._begin("BEGIN", (_TAKE, pairs), (_HELD, ids))
        locked = {row.hold_id for row in taken}
        found = {row.hold_id: Held(*row) for row in rows if row.hold_id in locked}
        return [found[one.hold_id] for one in wanted if one.hold_id in found]

    async def meet(self, held: Sequence[Held], at: datetime) -> Loaded:
        """Lock the accounts of taken orders and their payers, and read what a judgement needs.

        Raises:
            BusyError: An account or the database was out of reach; nothing was changed.

        """
        want = Want(
            refs={(one.ask["segment"], one.customer_id) for one in held},
            orders={(one.ask["segment"], one.ask["order_id"]) for one in held},
            at=at,
        )
        rows = await self._run(*reads(want, lane_sql.LOCK_ORDERS, lane_sql.LOCK_ACCOUNTS))
        found = loaded(rows)
        self._locked = dict(found.accounts)
        return found
