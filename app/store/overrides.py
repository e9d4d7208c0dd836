"""Overrides of scores: what people said instead of what was computed."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, any_, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String

from app.domain.errors import NotFoundError
from app.domain.scores import RiskClass
from app.domain.scores_override import Override, OverrideStatus
from app.store.database import Tx
from app.store.schema.parties import customer_ref
from app.store.schema.refresh import score_override as table

_CHANGING: Final = ("status", "decided_by", "decided_at", "ended_by", "ended_at")
"""What may change of an override; a trigger keeps all else as it was said."""


def add(tx: Tx, one: Override) -> None:
    """Add an override; of a customer one may be IN_FORCE, which a lock of its score guards."""
    tx.execute(insert(table).values(_row(one)))


def write(tx: Tx, one: Override) -> None:
    """Write what changed of an override that was read under lock."""
    values = {name: value for name, value in _row(one).items() if name in _CHANGING}
    tx.execute(update(table).where(table.c.override_id == one.override_id).values(values))


def in_force(tx: Tx, customer_ids: Sequence[str], at: datetime) -> dict[str, Override]:
    """Read the overrides that hold at a moment, by customer."""
    rows = tx.execute(_IN_FORCE, {"ids": list(customer_ids), "at": at}).mappings()
    return {row["customer_id"]: _override(row) for row in rows}


_IN_FORCE: Final = select(table).where(
    table.c.customer_id == any_(bindparam("ids", type_=ARRAY(String))),
    table.c.status == "IN_FORCE",
    table.c.expires_at > bindparam("at"),
)
"""A statement of its own, not made for each question: making it took longer than asking."""


def standing(tx: Tx, customer_id: str) -> Override | None:
    """Read what is IN_FORCE of a customer, even where its time is over, and lock it."""
    query = select(table).where(table.c.customer_id == customer_id, table.c.status == "IN_FORCE")
    row = tx.execute(query.with_for_update()).mappings().one_or_none()
    return None if row is None else _override(row)


def proposed(tx: Tx, customer_id: str, at: datetime) -> list[Override]:
    """Read what waits for a second person and can still be approved, the oldest first."""
    query = select(table).where(
        table.c.customer_id == customer_id,
        table.c.status == "PROPOSED",
        table.c.expires_at > at,
    )
    query = query.order_by(table.c.created_at, table.c.override_id)
    return [_override(row) for row in tx.execute(query).mappings()]


def lock(tx: Tx, customer_id: str, override_id: str) -> Override:
    """Read an override of a customer and keep others from changing it until `tx` ends.

    Raises:
        NotFoundError: The customer has no such override.

    """
    query = select(table).where(
        table.c.override_id == override_id, table.c.customer_id == customer_id
    )
    row = tx.execute(query.with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no override has the id {override_id[:64]!r}", "override_id")
    return _override(row)


def listing(tx: Tx, customer_id: str) -> list[Override]:
    """List all overrides that a customer ever had, the newest first.

    Those of ids that were merged into it are among them.
    """
    named = customer_ref.c.ref == table.c.customer_id
    query = select(table).join(customer_ref, named).where(customer_ref.c.customer_id == customer_id)
    query = query.order_by(table.c.created_at.desc(), table.c.override_id.desc())
    return [_override(row) for row in tx.execute(query).mappings()]


_LAPSE = text("""
SELECT override_id, customer_id FROM score_override
WHERE status = 'IN_FORCE' AND expires_at <= :at
ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
""")


def lapse(tx: Tx, at: datetime, most: int) -> list[str]:
    """Let overrides lapse whose time is over; returns whose they were."""
    found = tx.execute(_LAPSE, {"at": at, "most": most}).all()
    ids = [row.override_id for row in found]
    if ids:
        lapsed = {"status": OverrideStatus.LAPSED.value, "ended_at": at}
        tx.execute(update(table).where(table.c.override_id.in_(ids)).values(lapsed))
    return [row.customer_id for row in found]


def end_all(tx: Tx, customer_ids: Collection[str], client: str, at: datetime) -> None:
    """End what is proposed, or would have lapsed, of customers that are merged into another."""
    ended = {"status": OverrideStatus.ENDED.value, "ended_by": client, "ended_at": at}
    tx.execute(
        update(table)
        .where(
            table.c.customer_id.in_(sorted(customer_ids)),
            table.c.status.in_(("PROPOSED", "IN_FORCE")),
        )
        .values(ended)
    )


def _row(one: Override) -> dict[str, Any]:
    return asdict(one) | {"risk_class": one.risk_class.value, "status": one.status.value}


def _override(row: RowMapping) -> Override:
    values = dict(row)
    kinds = {
        "risk_class": RiskClass(row["risk_class"]),
        "status": OverrideStatus(row["status"]),
    }
    return Override(**{**values, **kinds})
