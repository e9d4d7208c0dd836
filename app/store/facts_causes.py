"""The quarantine by what its open rows wait for.

All of it follows an index, but `look_again`, which goes through all that are open.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, func, select, text

from app.domain.facts import ANEW
from app.store.database import Tx
from app.store.facts_inbox import WAITING, Waiting, texts_of
from app.store.schema.evidence import quarantine

_CAUSES: Final = text("""
WITH RECURSIVE walk (cause, place) AS (
    (SELECT cause, 1 FROM quarantine
    WHERE status = 'OPEN' AND cause >= :first ORDER BY cause LIMIT 1)
    UNION ALL
    SELECT (
        SELECT q.cause FROM quarantine q
        WHERE q.status = 'OPEN' AND q.cause > w.cause ORDER BY q.cause LIMIT 1
    ), w.place + 1
    FROM walk w WHERE w.cause IS NOT NULL AND w.place < :most
)
SELECT cause FROM walk WHERE cause IS NOT NULL ORDER BY place
""")
"""From one cause to the next: what many rows wait for costs no more than what one does."""
STORED_BYTES: Final = 1 << 20
"""Of payloads as they are stored, which is a fifth of their JSON or less where they are large."""

_LOOK_AGAIN: Final = text("""
WITH waiting AS (
    SELECT q.quarantine_id FROM quarantine q
    WHERE q.status = 'OPEN' AND q.code = 'fx_rate_missing' AND EXISTS (
        SELECT FROM account a
        WHERE a.account_id = ANY(q.concerns || q.account_id) AND a.path && CAST(:ids AS bigint[]))
    ORDER BY q.quarantine_id FOR UPDATE OF q
)
UPDATE quarantine q SET cause = :anew FROM waiting w WHERE q.quarantine_id = w.quarantine_id
""")
"""By the rows that wait, which are few, and locked in the order in which others lock them."""
_CONTRADICTED: Final = text("""
SELECT DISTINCT cause FROM quarantine
WHERE account_id = ANY(:ids) AND status = 'OPEN' AND code = 'version_conflict' ORDER BY cause
""")


def contradicted(tx: Tx, account_ids: Collection[int]) -> list[str]:
    """Name documents of which accounts hold what open rows tell otherwise, as causes."""
    return list(tx.execute(_CONTRADICTED, {"ids": sorted(account_ids)}).scalars())


def look_again(tx: Tx, account_ids: Collection[int]) -> None:
    """Let what waits for a rate of accounts, or of any below them, be tried again by the next pass.

    They were locked and their currency or their groups changed: the rate may be none's any more.
    """
    tx.execute(_LOOK_AGAIN, {"ids": sorted(account_ids), "anew": ANEW})


def next_causes(tx: Tx, first: str, most: int) -> list[str]:
    """List up to `most` causes of open rows from `first` on, in the order of the index."""
    return list(tx.execute(_CAUSES, {"first": first, "most": most}).scalars())


def next_waiting(tx: Tx, causes: Collection[str] | None, after: int, most: int) -> list[Waiting]:
    """List up to `most` open rows of causes (None: of all) after an id; fewer where they are large.

    What came under a used event id is not among them: it waits for a person.
    """
    query = select(*WAITING).where(
        quarantine.c.status == "OPEN",
        quarantine.c.code != "event_id_reused",
        quarantine.c.quarantine_id > after,
    )
    if causes is not None:
        query = query.where(quarantine.c.cause == func.any(texts_of(causes)))
    return [Waiting.of(row) for row in oldest(tx, query, Room(most))[0]]


@dataclass(frozen=True, slots=True)
class Room:
    """What a portion may take yet: so many rows, of so many bytes as they are stored."""

    rows: int
    stored: int = STORED_BYTES


def next_rows(
    tx: Tx, cause: str, segments: Collection[str], after: int, room: Room
) -> tuple[list[Waiting], Room]:
    """List open rows of a cause in some segments, oldest first; gives the room that is left.

    Where rows are left for want of bytes, none of these are left.
    """
    query = select(*WAITING).where(
        quarantine.c.status == "OPEN",
        quarantine.c.cause == cause,
        quarantine.c.quarantine_id > after,
        quarantine.c.segment_id == func.any(texts_of(segments)),
    )
    rows, left = oldest(tx, query, room)
    taken = sum(row.stored for row in rows)
    stored = 0 if left else room.stored - taken
    return [Waiting.of(row) for row in rows], Room(room.rows - len(rows), max(0, stored))


def oldest(tx: Tx, query: Select[Any], room: Room) -> tuple[Sequence[Row[Any]], bool]:
    """Read rows of the quarantine, oldest first, and no more than a batch may hold.

    Five hundred invoices of a thousand lines are 60 MB, which took half a minute to apply in one
    transaction. The first is always among them. Tells whether others were left for their size.
    """
    few = query.order_by(quarantine.c.quarantine_id).limit(room.rows).subquery()
    stored = func.pg_column_size(few.c.payload)
    before = func.sum(stored).over(order_by=few.c.quarantine_id) - stored
    sized = select(
        few, stored.label("stored"), before.label("before"), func.count().over().label("found")
    ).subquery()
    fits = select(sized).where(sized.c.before < room.stored).order_by(sized.c.quarantine_id)
    rows = tx.execute(fits).all()
    return rows, bool(rows) and len(rows) < rows[0].found
