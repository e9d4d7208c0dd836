"""Order holds and their history; and the status of accounts, which follows from open stops."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    insert,
    not_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.types import BigInteger

from app.domain.holds import HoldEvent, OrderHold, Proposal, Status
from app.domain.money import Money
from app.domain.orders import Order
from app.domain.segments import MAIN
from app.store import authorizations, orders
from app.store.database import Tx
from app.store.schema.authority import release_proposal
from app.store.schema.decisions import order_hold
from app.store.schema.documents import credit_order
from app.store.schema.evidence import order_hold_event
from app.store.schema.parties import account, customer_ref

# A merged customer's holds are those of the customer it was merged into; a stop of every segment
# belongs to the specialist of the main one.
_SHOWN = (order_hold.join(customer_ref, customer_ref.c.ref == order_hold.c.customer_id)).outerjoin(
    account,
    and_(
        account.c.customer_id == customer_ref.c.customer_id,
        account.c.segment_id == func.coalesce(order_hold.c.segment_id, MAIN),
    ),
)
_OWN = (
    "hold_id",
    "kind",
    "status",
    "account_id",
    "segment_id",
    "order_id",
    "reason_code",
    "reasons",
    "unblock",
    "opened_at",
    "updated_at",
    "closed_at",
    "ask",
    "decision_id",
    "authorization_id",
)
_LATER = ("auto_release", "escalation_level", "escalated_to", "escalated_at")


_NEWEST = (
    select(release_proposal)
    .where(release_proposal.c.hold_id == order_hold.c.hold_id)
    .order_by(release_proposal.c.proposed_at.desc(), release_proposal.c.proposal_id.desc())
    .limit(1)
    .lateral("newest")
)
_PROPOSAL = (
    *("proposal_id", "valid_until", "note"),
    *("proposed_by", "proposed_actor", "proposed_at", "asked"),
)
_DECIDED = ("decided_by", "decided_actor", "decided_at")
_SAME_NAMES = ("status", "reason_code", "max_minor", "currency")


def holds_query() -> Select[Any]:
    """Select holds as they are shown, with their newest proposal; `from_row` reads them."""
    own = [order_hold.c[name] for name in (*_OWN, *_LATER)]
    told = [_NEWEST.c[name].label(f"p_{name}") for name in (*_PROPOSAL, *_DECIDED, *_SAME_NAMES)]
    shown = _SHOWN.outerjoin(_NEWEST, true())
    return select(*own, customer_ref.c.customer_id, account.c.owner, *told).select_from(shown)


def from_row(row: RowMapping) -> OrderHold:
    """Make a hold of what `holds_query` selects."""
    own = {name: row[name] for name in (*_OWN, "customer_id", "owner", "escalated_to")}
    return OrderHold(
        **own,
        auto_release=row["auto_release"] is not False,
        escalation_level=row["escalation_level"] or 0,
        escalated_at=row["escalated_at"],
        proposal=None if row["p_proposal_id"] is None else _proposal(row),
    )


def _proposal(row: RowMapping) -> Proposal:
    return Proposal(
        status=row["p_status"],
        reason_code=row["p_reason_code"],
        most=Money(row["p_max_minor"], row["p_currency"]),
        **{name: row[f"p_{name}"] for name in (*_PROPOSAL, *_DECIDED)},
    )


def get(tx: Tx, hold_id: str) -> OrderHold | None:
    """Read a hold. It changes only under the lock of its order, a stop under its customer's."""
    rows = tx.execute(holds_query().where(order_hold.c.hold_id == hold_id)).mappings()
    return next(iter(with_amounts(tx, [from_row(row) for row in rows])), None)


def with_amounts(tx: Tx, found: Sequence[OrderHold]) -> list[OrderHold]:
    """Say of holds what their authorizations are for."""
    ids = {one.authorization_id for one in found if one.authorization_id is not None}
    known = authorizations.amounts(tx, ids) if ids else {}
    return [replace(one, authorized=known.get(one.authorization_id or "")) for one in found]


def refs(customer_id: str) -> Select[tuple[str]]:
    """Select every id that names a customer, those of merged records too."""
    return select(customer_ref.c.ref).where(customer_ref.c.customer_id == customer_id)


MOST_UPDATES: Final = 100
"""Lines of a history that only say that the order was asked again, of which the newest are read."""

_LINE = order_hold_event.c
_LINES = select(_LINE.event_id, *(_LINE[name] for name in HoldEvent.__slots__))


def history(tx: Tx, hold_id: str) -> tuple[list[HoldEvent], int]:
    """Read what was done to a hold, oldest first; says how many older updates are left out.

    An ERP that asks for a held order again and again writes a line each time: all of them would be
    megabytes, in each answer and each stored one.
    """
    of_hold = _LINES.where(_LINE.hold_id == hold_id)
    asked = (_LINE.action == "update") & _LINE.reason_code.is_(None) & _LINE.note.is_(None)
    updates = of_hold.where(asked).order_by(_LINE.event_id.desc())
    shown = union_all(
        of_hold.where(not_(asked)), updates.limit(MOST_UPDATES).subquery().select()
    ).subquery()
    rows = tx.execute(select(shown).order_by(shown.c.event_id)).mappings()
    lines = [HoldEvent(**{name: row[name] for name in HoldEvent.__slots__}) for row in rows]
    if len(lines) < MOST_UPDATES:
        return lines, 0
    counted = select(func.count()).select_from(updates.order_by(None).subquery())
    return lines, max(0, tx.execute(counted).scalar_one() - MOST_UPDATES)


def add_event(tx: Tx, event: HoldEvent) -> None:
    """Add a line to a hold's history."""
    values = {name: getattr(event, name) for name in HoldEvent.__slots__}
    tx.execute(insert(order_hold_event).values(values))


def add(tx: Tx, hold: OrderHold) -> None:
    """Store a new hold; its order (for a stop its customer) is locked."""
    names = ("customer_id", *_OWN)
    tx.execute(insert(order_hold).values({name: getattr(hold, name) for name in names}))


def force(
    tx: Tx, hold_id: str, reason: tuple[str, Sequence[Mapping[str, Any]]], at: datetime
) -> None:
    """Make an open automatic hold a forced one; `reason` is its code, and all reasons now."""
    code, reasons = reason
    _change(tx, hold_id, {"kind": "FORCED", "reason_code": code, "reasons": reasons}, at)


def touch(tx: Tx, hold_id: str, at: datetime) -> None:
    """Say that a hold's history went on."""
    _change(tx, hold_id, {}, at)


def remark(tx: Tx, hold_id: str, at: datetime) -> None:
    """Say that a hold's history went on, unless it is closed; nothing else of it changes."""
    open_hold = order_hold.c.hold_id == hold_id, order_hold.c.status == "OPEN"
    tx.execute(update(order_hold).where(*open_hold).values(updated_at=at))


def close(tx: Tx, hold_id: str, status: Status, at: datetime) -> None:
    """End an open hold; nothing changes it after that."""
    _change(tx, hold_id, {"status": status, "closed_at": at}, at)


def _change(tx: Tx, hold_id: str, values: Mapping[str, Any], at: datetime) -> None:
    statement = update(order_hold).where(
        order_hold.c.hold_id == hold_id, order_hold.c.status == "OPEN"
    )
    if tx.execute(statement.values(**values, updated_at=at)).rowcount != 1:
        message = f"the hold {hold_id} was not open under its lock"
        raise AssertionError(message)


def order_root(tx: Tx, fresh: Order) -> Order:
    """Lock an order, made as `fresh` says where there is none; before any account is locked.

    Somebody who makes the same order at this moment is waited for, and theirs is the one.
    """
    key = (fresh.segment_id, fresh.order_id)
    found = orders.lock(tx, [key]).get(key)
    if found is None:
        statement = insert_or(credit_order).values(orders.to_row(fresh))
        tx.execute(statement.on_conflict_do_nothing())
        found = orders.lock(tx, [key])[key]
    return found


def open_stop(tx: Tx, customer_id: str, segment_id: str | None) -> OrderHold | None:
    """Find a customer's open stop of just this reach; read it under the customer's lock."""
    query = holds_query().where(
        order_hold.c.customer_id.in_(refs(customer_id)),
        order_hold.c.kind == "STOP",
        order_hold.c.status == "OPEN",
        order_hold.c.segment_id.is_not_distinct_from(segment_id),
    )
    row = tx.execute(query.order_by(order_hold.c.hold_id).limit(1)).mappings().first()
    return None if row is None else from_row(row)


_ACCOUNTS = text("""
SELECT a.account_id FROM customer_ref r JOIN account a ON a.customer_id = r.ref
WHERE r.customer_id = :customer_id
    AND (CAST(:segment_id AS text) IS NULL OR a.segment_id = :segment_id)
ORDER BY a.account_id
""")

_RESTATE = text("""
UPDATE account a SET status = CASE WHEN EXISTS (
    SELECT FROM customer_ref r JOIN order_hold h ON h.customer_id = r.ref
    WHERE r.customer_id = :customer_id AND h.kind = 'STOP' AND h.status = 'OPEN'
        AND (h.segment_id IS NULL OR h.segment_id = a.segment_id)
) THEN 'STOPPED' ELSE 'OPEN' END
WHERE a.account_id = any(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


def accounts_within(tx: Tx, customer_id: str, segment_id: str | None) -> list[int]:
    """List a customer's accounts in a segment, or in all; made under the customer's lock only."""
    rows = tx.execute(_ACCOUNTS, {"customer_id": customer_id, "segment_id": segment_id})
    return list(rows.scalars())


def restate(tx: Tx, customer_id: str, account_ids: Collection[int]) -> None:
    """Let the status of locked accounts follow from the customer's open stops."""
    tx.execute(_RESTATE, {"customer_id": customer_id, "ids": sorted(account_ids)})


_KEEP = text(
    "UPDATE request_key SET status = :status, answer = CAST(:answer AS json)"
    " WHERE client = :client AND key = :key AND status IS NULL"
)


def keep_first(tx: Tx, owner: tuple[str, str], status: int, body: bytes) -> None:
    """Store the answer that a lane's key stands for, unless it has one; `owner` is (client, key).

    A lane stores its decision; what is sent for a release is the hold. Who comes second waits for
    the first, and sends what that one stored.
    """
    client, key = owner
    tx.execute(_KEEP, {"client": client, "key": key, "status": status, "answer": body.decode()})
