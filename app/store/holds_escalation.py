"""Open holds that have waited longer than their segment allows, and whom they were escalated to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, select, text, tuple_, update

from app.store.database import Tx
from app.store.schema.decisions import order_hold
from app.store.schema.documents import credit_order


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open hold of an order; `level` is the last step that was taken, 0 none."""

    hold_id: str
    segment_id: str
    order_id: str
    opened_at: datetime
    level: int


_DUE = text("""
SELECT h.hold_id, h.segment_id, h.order_id, h.opened_at,
    coalesce(h.escalation_level, 0) AS level
FROM order_hold h JOIN authority_policy p ON p.segment_id = h.segment_id
WHERE h.status = 'OPEN' AND h.kind <> 'STOP' AND h.opened_at <= :at - make_interval(
    secs => (p.escalation -> coalesce(h.escalation_level, 0) ->> 'after_s')::int)
    AND (h.opened_at, h.hold_id) > (:opened_at, CAST(:hold_id AS uuid))
ORDER BY h.opened_at, h.hold_id LIMIT :most
""").bindparams(*(bindparam(one, type_=DateTime(timezone=True)) for one in ("at", "opened_at")))

Place = tuple[datetime, str]
"""Where a pass over what is due stands: when a hold was opened, and the hold."""

_FIRST: Final[Place] = (datetime.min.replace(tzinfo=UTC), str(UUID(int=0)))


def lock_due(
    tx: Tx, at: datetime, after: Place | None, most: int
) -> tuple[list[Waiting], Place | None]:
    """Lock the orders of holds that are to be escalated, as far as nobody else works on them.

    Looks at the first `most` behind `after`; gives the last of them where there may be more.
    """
    opened_at, hold_id = after or _FIRST
    told = {"at": at, "most": most, "opened_at": opened_at, "hold_id": hold_id}
    rows = tx.execute(_DUE, told).mappings()
    due = [Waiting(**{**row, "hold_id": str(row["hold_id"])}) for row in rows]
    place = tuple_(credit_order.c.segment_id, credit_order.c.order_id)
    keys = sorted({(one.segment_id, one.order_id) for one in due})
    idle = (
        select(credit_order.c.hold_id)
        .where(place.in_(keys))
        .order_by(credit_order.c.segment_id.collate("C"), credit_order.c.order_id.collate("C"))
        .with_for_update(key_share=True, skip_locked=True)
    )
    locked = set(tx.execute(idle).scalars()) if keys else set()
    last = (due[-1].opened_at, due[-1].hold_id) if len(due) == most else None
    return [one for one in due if one.hold_id in locked], last


def escalate(tx: Tx, waiting: Waiting, step: tuple[int, str], at: datetime) -> bool:
    """Store the step a hold is at; False where it was decided or escalated meanwhile."""
    level, role = step
    statement = update(order_hold).where(
        order_hold.c.hold_id == waiting.hold_id,
        order_hold.c.status == "OPEN",
        order_hold.c.escalation_level.is_not_distinct_from(waiting.level or None),
    )
    values = {"escalation_level": level, "escalated_to": role, "escalated_at": at}
    return tx.execute(statement.values(**values, updated_at=at)).rowcount == 1


def names(waiting: Sequence[Waiting]) -> list[str]:
    """List the segments of holds, each once."""
    return sorted({one.segment_id for one in waiting})
