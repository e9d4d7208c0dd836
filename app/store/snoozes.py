"""Rule snoozes in the database: added, ended once, never forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, insert, select, update

from app.domain.errors import NotFoundError
from app.domain.snoozes import Snooze
from app.store.database import Tx
from app.store.schema.parties import customer_ref
from app.store.schema.rules import rule_snooze as table

_COLUMNS: Final = [table.c[name] for name in Snooze.__slots__]


def add(tx: Tx, one: Snooze) -> None:
    """Add a snooze; the account's row must be locked."""
    tx.execute(insert(table).values({name: getattr(one, name) for name in Snooze.__slots__}))


def end(tx: Tx, one: Snooze, by: str, at: datetime) -> None:
    """End one before its time."""
    change = update(table).where(table.c.snooze_id == one.snooze_id)
    tx.execute(change.values(ended_by=by, ended_at=at))


def end_all(tx: Tx, customer_id: str, by: str, at: datetime) -> None:
    """End what is in force of a customer that is merged into another; lock its accounts first."""
    change = update(table).where(
        table.c.customer_id == customer_id, table.c.ended_at.is_(None), table.c.expires_at > at
    )
    tx.execute(change.values(ended_by=by, ended_at=at))


def of_account(tx: Tx, customer_id: str, segment_id: str) -> Sequence[Snooze]:
    """Read all that there were of an account, the newest first."""
    query = select(*_COLUMNS).where(
        table.c.customer_id == customer_id, table.c.segment_id == segment_id
    )
    return _read(tx, query)


def listing(tx: Tx, customer_id: str, segment_id: str) -> Sequence[Snooze]:
    """Read all that there were of an account or of records merged into its customer's.

    The newest first. Each has the id of the record it was said of: what was said of one that was
    merged lets no rule only warn for the customer.
    """
    query = (
        select(*_COLUMNS)
        .join(customer_ref, customer_ref.c.ref == table.c.customer_id)
        .where(customer_ref.c.customer_id == customer_id, table.c.segment_id == segment_id)
    )
    return _read(tx, query)


def _read(tx: Tx, query: Select[Any]) -> Sequence[Snooze]:
    rows = tx.execute(query.order_by(table.c.created_at.desc(), table.c.snooze_id)).mappings()
    return [Snooze(**row) for row in rows]


def get(tx: Tx, customer_id: str, snooze_id: str) -> Snooze:
    """Read one of a customer's.

    Raises:
        NotFoundError: There is none.

    """
    query = select(*_COLUMNS).where(
        table.c.customer_id == customer_id, table.c.snooze_id == snooze_id
    )
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no snooze has the id {snooze_id[:64]}", "snooze_id")
    return Snooze(**row)
