"""Ledger events as they came, the quarantine, and when each source last reported."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import and_, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from app.domain.facts import Event, Problem, Result
from app.domain.facts_inbox import EventKey, Inbox, is_over
from app.store.copies import copy_in
from app.store.database import Tx
from app.store.facts_bulk import insert_new, upsert
from app.store.facts_queries import BETWEEN, joined, split
from app.store.schema.evidence import feed, ledger_event, quarantine
from app.store.schema.parties import account

_SETTINGS: Final = text(
    "SELECT set_config('enable_seqscan', 'off', true),"
    " set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
)
_KNOWN: Final = text(f"""
SELECT l.source, l.event_id, l.content, l.result
FROM unnest({split("sources")}, {split("ids")}) AS n(source, event_id)
JOIN ledger_event l ON l.source = n.source AND l.event_id = n.event_id
""")  # noqa: S608 - a constant
_TOLD: Final = text(f"""
SELECT q.source, q.event_id, q.content, q.code, q.detail, q.field, q.cause, q.status
FROM unnest({split("sources")}, {split("ids")}) AS n(source, event_id)
JOIN quarantine q ON q.source = n.source AND q.event_id = n.event_id
ORDER BY q.quarantine_id
""")  # noqa: S608 - a constant
_FIRST: Final = text("SELECT payload FROM ledger_event WHERE source = :source AND event_id = :id")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open row of the quarantine; `version` is that of its `document`.

    It counts on all its `accounts`: its customer's, and those whose figures it would have changed.
    """

    quarantine_id: int
    accounts: frozenset[int]
    cause: str
    document: str
    version: int
    payload: dict[str, Any]

    @classmethod
    def of(cls, row: Any) -> Self:  # noqa: ANN401 - a row
        """Read a row with its `account_id` and all whom it `concerns` besides."""
        return cls(
            row.quarantine_id,
            counted_on(row),
            row.cause,
            row.document,
            int(row.payload["version"]),
            row.payload,
        )

    def is_over(self, applied: int) -> bool:
        """Tell whether it says nothing any more, once a version of its document is applied."""
        return is_over(self.version, applied, for_itself=self.cause == self.document)


def use_indexes(tx: Tx) -> None:
    """Keep statements on indexes until `tx` ends: plans made on empty tables would scan."""
    tx.execute(_SETTINGS)


def read_inbox(tx: Tx, events: Sequence[Event]) -> Inbox:
    """Read what is known of events; under the locks of their accounts no twin comes in between."""
    inbox = Inbox()
    quarantined = set()
    keys = {(event.source, event.event_id) for event in events}
    for row in tx.execute(_KNOWN, _pairs(keys)):
        key = row.source, row.event_id
        inbox.known[key] = bytes(row.content)
        if row.result == "quarantined":
            quarantined.add(key)
    again = quarantined | (_told_otherwise(inbox, events) if inbox.known else set())
    for row in tx.execute(_TOLD, _pairs(again)) if again else ():
        told = Result(row.event_id, "duplicate")
        if row.status == "OPEN":
            problem = Problem(row.code, row.detail, row.field, row.cause)
            told = Result(row.event_id, "quarantined", problem=problem)
        inbox.told[(row.source, row.event_id), bytes(row.content)] = told
    return inbox


def told_under(tx: Tx, source: str, event_id: str) -> Any:  # noqa: ANN401 - as it came
    """Give the first statement under an id as it came, or None."""
    return tx.execute(_FIRST, {"source": source, "id": event_id}).scalar_one_or_none()


def _told_otherwise(inbox: Inbox, events: Sequence[Event]) -> set[EventKey]:
    """Give the ids that were used before, for other content than an event's."""
    keys = (((event.source, event.event_id), event.digest) for event in events)
    return {key for key, digest in keys if inbox.known.get(key, digest) != digest}


def _pairs(keys: Iterable[EventKey]) -> dict[str, str]:
    ordered = sorted(keys)
    return {
        "sources": joined(key[0] for key in ordered),
        "ids": joined(key[1] for key in ordered),
    }


_EVENT: Final = ("source", "event_id", "content", "type", "result", "payload", "received_at")


def _event_key(fresh: tuple[Event, Result]) -> EventKey:
    return fresh[0].source, fresh[0].event_id


def write_inbox(tx: Tx, inbox: Inbox, at: datetime) -> None:
    """Keep new statements as evidence, and open the quarantine of those that wait.

    Raises:
        TakenError: Another batch was first with one of them.

    """
    rows = (
        (
            event.source,
            event.event_id,
            event.digest,
            event.kind,
            result.result,
            event.payload,
            at,
        )
        for event, result in sorted(inbox.fresh, key=_event_key)
    )
    copy_in(tx, ledger_event, _EVENT, rows)
    waiting = [
        {
            "source": one.event.source,
            "event_id": one.event.event_id,
            "segment_id": one.event.segment_id,
            "customer_ref": one.event.customer_ref,
            "account_id": one.account_id,
            "concerns": sorted(one.concerns),
            "content": one.event.digest,
            "payload": one.event.payload,
            **_problem(one.problem),
            "status": "SUPERSEDED" if one.superseded else "OPEN",
            "received_at": at,
            "closed_at": at if one.superseded else None,
        }
        for one in inbox.opened
    ]
    insert_new(tx, quarantine, waiting)
    opened = [one for one in inbox.opened if not one.superseded]
    _count(tx, Counter(key for one in opened for key in {one.account_id, *one.concerns}))


def _problem(problem: Problem) -> dict[str, str | None]:
    return {
        "code": problem.code,
        "detail": problem.detail,
        "field": problem.field,
        "cause": problem.cause,
    }


WAITING: Final = (
    quarantine.c.quarantine_id,
    quarantine.c.account_id,
    quarantine.c.concerns,
    quarantine.c.cause,
    quarantine.c.document,
    quarantine.c.payload,
)
"""What `Waiting.of` reads."""


def waiting_of(
    tx: Tx, documents: Collection[str], segments: Collection[str] | None = None
) -> list[Waiting]:
    """List the open rows of documents, whatever they wait for, in the order they came.

    Of some segments alone (None: of all): ids may hold what separates them in a document's name.
    """
    query = select(*WAITING).where(
        quarantine.c.status == "OPEN", quarantine.c.document == func.any(texts_of(documents))
    )
    if segments is not None:
        query = query.where(quarantine.c.segment_id == func.any(texts_of(segments)))
    return [Waiting.of(row) for row in tx.execute(query.order_by(quarantine.c.quarantine_id))]


def count_waiting(tx: Tx) -> int:
    """Count the open rows."""
    query = select(func.count()).where(quarantine.c.status == "OPEN")
    return int(tx.execute(query).scalar_one())


def texts_of(values: Collection[str]) -> Any:  # noqa: ANN401 - an array
    """Write texts as one parameter that SQL reads as an array."""
    return func.string_to_array(literal(joined(sorted(values)), Text), BETWEEN)


def counted_on(row: Any) -> frozenset[int]:  # noqa: ANN401 - a row
    """Give all accounts that a row of the quarantine counts on."""
    own = () if row.account_id is None else (row.account_id,)
    return frozenset((*own, *row.concerns))


def close(tx: Tx, ids: Collection[int], status: str, at: datetime) -> int:
    """Close open rows as APPLIED, SUPERSEDED or CLOSED; returns how many were open still."""
    if not ids:
        return 0
    statement = (
        update(quarantine)
        .where(_among(ids), quarantine.c.status == "OPEN")
        .values(status=status, closed_at=at)
        .returning(quarantine.c.account_id, quarantine.c.concerns)
    )
    closed = tx.execute(statement).all()
    fewer: Counter[int | None] = Counter()
    for row in closed:
        fewer.subtract(counted_on(row))
    _count(tx, fewer)
    return len(closed)


def keep_waiting(
    tx: Tx, row: Waiting, account_id: int | None, concerns: Collection[int], problem: Problem
) -> None:
    """Let an open row wait for what it turned out to need; its account may have come to be.

    Whom it concerns may have changed with what was told since.
    """
    held = and_(quarantine.c.quarantine_id == row.quarantine_id, quarantine.c.status == "OPEN")
    query = select(quarantine.c.account_id, quarantine.c.concerns).where(held)
    before = tx.execute(query.with_for_update()).first()
    if before is None:
        return
    values = {**_problem(problem), "account_id": account_id, "concerns": sorted(concerns)}
    tx.execute(update(quarantine).where(held).values(values))
    moved: Counter[int | None] = Counter({account_id, *concerns})
    moved.subtract(counted_on(before))
    _count(tx, moved)


def _among(ids: Collection[int]) -> Any:  # noqa: ANN401 - a column expression
    return quarantine.c.quarantine_id == func.any(literal(sorted(ids), ARRAY(BigInteger)))


def _count(tx: Tx, steps: Counter[int | None]) -> None:
    """Move the counters of locked accounts by how many rows were opened (less closed)."""
    for account_id, step in steps.items():
        if step and account_id is not None:
            tx.execute(
                update(account)
                .where(account.c.account_id == account_id)
                .values(quarantined=account.c.quarantined + step)
            )


def touch_feed(tx: Tx, events: Iterable[Event], at: datetime) -> None:
    """Note when sources reported on segments; the last write of a batch, for all meet here."""
    names = sorted({(event.segment_id, event.source) for event in events})
    upsert(tx, feed, [{"segment_id": one, "source": two, "last_at": at} for one, two in names])
