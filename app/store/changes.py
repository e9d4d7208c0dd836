"""Change documents of master data: added with each change, listed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select

from app.domain.callers import Caller
from app.domain.changes import ChangeKind, MasterChange
from app.store.database import Tx
from app.store.schema.changes import master_change
from app.store.schema.parties import account, customer_ref


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change as it was kept; `actor` is whom the client asserted to stand behind it."""

    change_id: int
    changed_at: datetime
    client: str
    actor: str | None
    change: MasterChange


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which are asked for; None: any. `before` is the id of the last one seen, newest first.

    `customer_id` is a customer's own id, not an alias; the records merged into it are meant too.
    `segments` are those within sight.
    """

    most: int
    before: int | None = None
    kind: ChangeKind | None = None
    customer_id: str | None = None
    segment_id: str | None = None
    segments: frozenset[str] | None = None


def add(tx: Tx, caller: Caller, change: MasterChange) -> None:
    """Keep a change, in the transaction that makes it; what changes nothing leaves nothing."""
    if change:
        row = {
            "kind": change.kind,
            "customer_id": change.customer_id,
            "segment_id": change.segment_id,
            "client": caller.client,
            "actor": caller.actor,
            "before": dict(change.before),
            "after": dict(change.after),
        }
        tx.execute(insert(master_change).values(row))


def page(tx: Tx, wanted: ChangeFilter) -> list[StoredChange]:
    """List changes, newest first."""
    query = select(master_change).where(*_conditions(wanted))
    query = query.order_by(master_change.c.change_id.desc()).limit(wanted.most)
    return [_from_row(row) for row in tx.execute(query)]


def _conditions(wanted: ChangeFilter) -> list[ColumnElement[bool]]:
    columns = master_change.c
    found: list[ColumnElement[bool]] = []
    if wanted.before is not None:
        found.append(columns.change_id < wanted.before)
    if wanted.kind is not None:
        found.append(columns.kind == wanted.kind)
    if wanted.customer_id is not None:
        ids = select(customer_ref.c.ref).where(customer_ref.c.customer_id == wanted.customer_id)
        found.append(columns.customer_id.in_(ids))
    if wanted.segment_id is not None:
        found.append(columns.segment_id == wanted.segment_id)
    if wanted.segments is not None:
        found.append(_seen(wanted.segments))
    return found


def _seen(segments: frozenset[str]) -> ColumnElement[bool]:
    """Keep to what lies in segments, to customers with an account there, and to rates."""
    columns, seen = master_change.c, sorted(segments)
    there = select(account.c.account_id).where(
        account.c.customer_id == columns.customer_id, account.c.segment_id.in_(seen)
    )
    # a scalar, row by row: an EXISTS would be had from a hash of all accounts
    of_all = or_(columns.customer_id.is_(None), there.limit(1).scalar_subquery().is_not(None))
    return or_(columns.segment_id.in_(seen), and_(columns.segment_id.is_(None), of_all))


def _from_row(row: Row[Any]) -> StoredChange:
    change = MasterChange(row.kind, row.before, row.after, row.customer_id, row.segment_id)
    return StoredChange(row.change_id, row.changed_at, row.client, row.actor, change)
