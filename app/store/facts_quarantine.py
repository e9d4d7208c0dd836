"""The quarantine as a person sees it: what waits is listed, and decided about row by row."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select, text

from app.domain.facts import Problem, ProblemCode
from app.store.database import Tx
from app.store.facts_causes import Room, oldest
from app.store.facts_inbox import Waiting, counted_on
from app.store.schema.evidence import quarantine
from app.store.schema.parties import account, customer_ref

_FIND: Final = text("""
SELECT quarantine_id, segment_id, account_id, concerns, cause, document, payload, status
FROM quarantine WHERE quarantine_id = :id
""")
_LOCK: Final = text("""
SELECT quarantine_id, account_id, concerns FROM quarantine
WHERE quarantine_id = ANY(:ids) AND status = 'OPEN' ORDER BY quarantine_id FOR UPDATE
""")
_SIGN: Final = text("""
UPDATE quarantine SET closed_by = :closed_by, close_reason = :reason WHERE quarantine_id = :id
""")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row as it is shown."""

    quarantine_id: int
    source: str
    event_id: str
    segment_id: str
    customer_ref: str
    kind: str
    problem: Problem
    payload: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which open rows: with ids above `after`, at most `most`; None does not restrict.

    `customer` is an id or alias: rows that named it, and all that count on the customer it names.
    """

    most: int
    after: int = 0
    segments: Collection[str] | None = None
    segment_id: str | None = None
    customer: str | None = None
    source: str | None = None
    code: ProblemCode | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A row and where it belongs; `is_open` says whether it waits still."""

    row: Waiting
    segment_id: str
    is_open: bool


def listing(tx: Tx, wanted: QuarantineFilter) -> tuple[list[Quarantined], bool]:
    """List open rows, oldest first; tells whether there are more, for number or for size."""
    query = select(quarantine).where(
        quarantine.c.status == "OPEN", quarantine.c.quarantine_id > wanted.after
    )
    for column, value in (
        (quarantine.c.segment_id, wanted.segment_id),
        (quarantine.c.source, wanted.source),
        (quarantine.c.code, wanted.code),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.segments is not None:
        query = query.where(quarantine.c.segment_id.in_(sorted(wanted.segments)))
    if wanted.customer is not None:
        named = select(customer_ref.c.customer_id).where(customer_ref.c.ref == wanted.customer)
        theirs = select(account.c.account_id).where(account.c.customer_id.in_(named))
        query = query.where(
            or_(
                quarantine.c.customer_ref == wanted.customer,
                quarantine.c.account_id.in_(theirs),
                quarantine.c.concerns.overlap(func.array(theirs.scalar_subquery())),
            )
        )
    rows, left = oldest(tx, query, Room(wanted.most + 1))
    shown = rows[: wanted.most]
    return [
        Quarantined(
            quarantine_id=row.quarantine_id,
            source=row.source,
            event_id=row.event_id,
            segment_id=row.segment_id,
            customer_ref=row.customer_ref,
            kind=row.payload["type"],
            problem=Problem(row.code, row.detail, row.field, row.cause),
            payload=row.payload,
            received_at=row.received_at,
        )
        for row in shown
    ], left or len(rows) > len(shown)


def find(tx: Tx, quarantine_id: int) -> Found | None:
    """Read a row, without a lock."""
    found = tx.execute(_FIND, {"id": quarantine_id}).one_or_none()
    if found is None:
        return None
    return Found(Waiting.of(found), found.segment_id, found.status == "OPEN")


def lock_open(tx: Tx, ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Lock those rows that still wait, after their accounts; gives the accounts of each."""
    rows = tx.execute(_LOCK, {"ids": sorted(ids)})
    return {row.quarantine_id: counted_on(row) for row in rows}


def sign(tx: Tx, quarantine_id: int, closed_by: str, reason: str) -> None:
    """Keep who closed a row by hand, and why."""
    tx.execute(_SIGN, {"id": quarantine_id, "closed_by": closed_by, "reason": reason})
