"""Snapshots of the ERP: compared with our own figures, remembered, never written over ours."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from app.domain.callers import Caller
from app.domain.errors import FieldError, NotFoundError, SnapshotConflictError
from app.domain.ids import need_id
from app.domain.money import DIGITS, Money
from app.domain.reconciliation import (
    Compared,
    Drift,
    Ours,
    Told,
    count_verdicts,
    refuse_twice,
    verdict_of,
)
from app.store import moves, reconciliations, segments
from app.store.database import Database, Tx
from app.store.reconciliations import DriftFilter, Stored
from app.telemetry.snapshots import (
    SNAPSHOT_DRIFT_ACCOUNTS,
    SNAPSHOT_DRIFT_AMOUNT,
    SNAPSHOT_MOVED_ACCOUNTS,
    SNAPSHOT_TIMESTAMP,
)
from app.usecases.score_reads import find_customer
from app.usecases.sight import need_segment

_log = structlog.get_logger(__name__)

MOST_ITEMS: Final = 5000
"""The most figures of one snapshot, inclusive."""

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far ahead of ours the ERP's clock may be."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ERP has at a moment; its names are its client's own, `digest` hashes all of it."""

    source: str
    snapshot_id: str
    as_of: datetime
    items: Sequence[Told]
    digest: bytes


@dataclass(frozen=True, slots=True)
class CompareSnapshot:
    """Compare a snapshot with our own figures; a second time it is answered as before."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, caller: Caller, snapshot: Snapshot) -> tuple[Stored, bool]:
        """Return the comparison, and whether it was made just now.

        Raises:
            ForbiddenError: The caller may not write to the ledger.
            FieldError: An item names an unknown segment, a figure is told twice, or the moment
                lies in the future.
            SnapshotConflictError: The client used the id for another snapshot of the source, or
                has told a newer one.
            BusyError: Another snapshot of a source of this name is still being compared.

        """
        caller.need("ledger:write")
        at = self.now()
        if snapshot.as_of > at + CLOCKS_APART:
            raise FieldError("lies in the future", "as_of")
        with self.database.begin() as tx:
            _check_segments(tx, caller, snapshot.items)
            reconciliations.queue(tx, snapshot.source, snapshot.as_of)
            known = reconciliations.find(tx, caller.client, snapshot.source, snapshot.snapshot_id)
            if known is not None:
                return _same(known, snapshot), False
            newest = reconciliations.newest(tx, caller.client, snapshot.source)
            if newest is not None and snapshot.as_of < newest:
                told = f"{snapshot.source[:64]!r} has told of {newest.isoformat()} before"
                raise SnapshotConflictError(told, "as_of")
            stored = self._compare(tx, caller, snapshot, at)
            publish_drifts(tx)
        SNAPSHOT_TIMESTAMP.set(at.timestamp())
        _tell(stored)
        return stored, True

    def _compare(self, tx: Tx, caller: Caller, snapshot: Snapshot, at: datetime) -> Stored:
        ours = reconciliations.compare(tx, snapshot.items)
        refuse_twice(snapshot.items, ours)
        moved = _moved(tx, snapshot, ours)
        head = _Head(self.new_id(), snapshot.source, at, moved)
        found = [
            self._result(head, told, held) for told, held in zip(snapshot.items, ours, strict=True)
        ]
        counts = count_verdicts(found)
        stored = Stored(
            reconciliation_id=head.reconciliation_id,
            source=snapshot.source,
            snapshot_id=snapshot.snapshot_id,
            content=snapshot.digest,
            as_of=snapshot.as_of,
            compared_at=at,
            client=caller.client,
            actor=caller.actor,
            matched=counts["MATCH"],
            drifted=counts["DRIFT"],
            unknown=counts["UNKNOWN_CUSTOMER"],
            results=[_written(one) for one in found],
        )
        figures = {
            (held.customer_id, one.segment_id, one.category, one.amount.currency)
            for one, held in zip(snapshot.items, ours, strict=True)
            if held.customer_id is not None
        }
        reconciliations.supersede(tx, snapshot.source, figures, at)
        reconciliations.add(tx, stored, [one.drift for one in found if one.drift is not None])
        return stored

    def _result(self, head: "_Head", told: Told, held: Ours) -> Compared:
        verdict = verdict_of(told, held)
        if held.customer_id is None:
            return Compared(told, verdict)
        ours = Money(held.minor, told.amount.currency)
        if verdict == "MATCH":
            return Compared(told, verdict, ours)
        drift = Drift(
            drift_id=self.new_id(),
            reconciliation_id=head.reconciliation_id,
            source=head.source,
            customer_id=held.customer_id,
            segment_id=told.segment_id,
            category=told.category,
            ours=ours,
            theirs=told.amount,
            seq=held.seq,
            status="OPEN",
            compared_at=head.at,
            moved=held.account_id in head.moved,
        )
        return Compared(told, verdict, ours, drift)


@dataclass(frozen=True, slots=True)
class _Head:
    reconciliation_id: str
    source: str
    at: datetime
    moved: Collection[int]


def _moved(tx: Tx, snapshot: Snapshot, ours: Sequence[Ours]) -> set[int]:
    """Find the accounts that documents moved since the snapshot's moment, of those that differ.

    What came between that moment and our comparison is in our figure and not in theirs.
    """
    apart = {
        held.account_id: held.seq
        for told, held in zip(snapshot.items, ours, strict=True)
        if held.account_id is not None and verdict_of(told, held) == "DRIFT"
    }
    return moves.moved_since(tx, apart, snapshot.as_of - CLOCKS_APART) if apart else set()


def _check_segments(tx: Tx, caller: Caller, items: Sequence[Told]) -> None:
    known = {one.segment_id for one in segments.every(tx) if caller.sees(one.segment_id)}
    for line, one in enumerate(items):
        if one.segment_id not in known:
            raise FieldError(f"no segment {one.segment_id[:64]!r}", f"items[{line}].segment")


def _same(known: Stored, snapshot: Snapshot) -> Stored:
    if known.content != snapshot.digest:
        raise SnapshotConflictError(
            f"the snapshot {snapshot.snapshot_id[:64]!r} was told before with other content",
            "snapshot_id",
        )
    return known


def _written(one: Compared) -> dict[str, Any]:
    """Write a result as it is stored and answered."""
    told, drift = one.told, one.drift
    match = None if one.ours is None else Money(0, told.amount.currency)
    off = match if drift is None else drift.amount
    return {
        "customer_id": told.ref,
        "segment": told.segment_id,
        "category": told.category,
        "status": one.verdict,
        "ours": _money(one.ours),
        "theirs": _money(told.amount),
        "drift": _money(off),
        "drift_id": None if drift is None else drift.drift_id,
        "moved": drift is not None and drift.moved,
    }


def _money(money: Money | None) -> dict[str, str] | None:
    return None if money is None else {"amount": money.text, "currency": money.currency}


def _tell(stored: Stored) -> None:
    say = _log.warning if stored.drifted or stored.unknown else _log.info
    say(
        "snapshot_compared",
        reconciliation_id=stored.reconciliation_id,
        client=stored.client,
        matched=stored.matched,
        drifted=stored.drifted,
        unknown=stored.unknown,
        moved=sum(one["moved"] for one in stored.results),
    )


_drifted: Final[set[str]] = set()
"""Currencies in which something drifted in this process: when nothing does any more, they say 0."""


def publish_drifts(tx: Tx) -> None:
    """Publish how many figures differ, and how far, as this transaction sees it."""
    totals = reconciliations.open_totals(tx)
    for category, number in totals.settled.items():
        SNAPSHOT_DRIFT_ACCOUNTS.labels(category).set(number)
    for category, number in totals.moved.items():
        SNAPSHOT_MOVED_ACCOUNTS.labels(category).set(number)
    _drifted.update(totals.off)
    for code in sorted(_drifted):
        SNAPSHOT_DRIFT_AMOUNT.labels(code).set(totals.off.get(code, 0) / 10 ** DIGITS[code])


@dataclass(frozen=True, slots=True)
class ReadSnapshot:
    """Read a snapshot with its results."""

    database: Database

    def __call__(self, caller: Caller, reconciliation_id: str) -> Stored:
        """Return the results of segments within sight.

        Raises:
            NotFoundError: No snapshot has the id, or none of it lies within sight.

        """
        need_id(reconciliation_id, "snapshot")
        with self.database.read() as tx:
            stored = reconciliations.read(tx, reconciliation_id)
        seen = [one for one in stored.results if caller.sees(one["segment"])]
        if not seen:
            raise NotFoundError(f"no snapshot has the id {reconciliation_id}", "id")
        counts = Counter(one["status"] for one in seen)
        return replace(
            stored,
            results=seen,
            matched=counts["MATCH"],
            drifted=counts["DRIFT"],
            unknown=counts["UNKNOWN_CUSTOMER"],
        )


@dataclass(frozen=True, slots=True)
class ListDrifts:
    """List what differs still, oldest first."""

    database: Database

    def __call__(self, caller: Caller, wanted: DriftFilter) -> list[Drift]:
        """Return open drifts of segments within sight; `customer_id` may be an alias.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id within sight.

        """
        with self.database.read() as tx:
            need_segment(tx, caller, wanted.segment_id)
            owner = wanted.customer_id and find_customer(tx, caller, wanted.customer_id)
            seen: Collection[str] | None = caller.segments
            return reconciliations.open_drifts(
                tx, replace(wanted, customer_id=owner, segments=seen)
            )
